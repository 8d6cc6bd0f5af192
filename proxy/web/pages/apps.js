// The page of applications: those that the person may see, each with a way to it. Whatever comes from the server is put in
// as text, and only addresses of https are linked.
'use strict';

const at = (id) => document.getElementById(id);

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className !== undefined) made.className = className;
  return made;
}

function launchLink(app, role) {
  const link = element('a', role === undefined ? 'Launch' : role, 'launch');
  const query = role === undefined ? '' : `?${new URLSearchParams({ aws_role: role })}`;
  link.href = role === undefined ? app.url : `/web/launch/${encodeURIComponent(app.name)}${query}`;
  link.setAttribute(
    'aria-label',
    role === undefined ? `Launch ${app.name}` : `Launch ${app.name} as ${role}`,
  );
  return link;
}

function entry(app) {
  const item = element('li');
  item.append(element('h2', app.name));
  if (app.description !== '') item.append(element('p', app.description));
  const labels = Object.entries(app.labels).map(([name, value]) => `${name}=${value}`);
  if (labels.length > 0) item.append(element('p', labels.join(', '), 'hint'));
  if (app.aws_roles === undefined) {
    if (app.url.startsWith('https://')) item.append(launchLink(app));
    return item;
  }
  if (app.aws_roles.length === 0) item.append(element('p', 'None of your roles names a role of AWS here.'));
  else item.append(element('p', 'Open the console of AWS as:'));
  const roles = element('ul');
  for (const role of app.aws_roles) {
    const line = element('li');
    line.append(launchLink(app, role));
    roles.append(line);
  }
  item.append(roles);
  return item;
}

function sayProblem(message) {
  at('loading').hidden = true;
  at('problem').textContent = message;
  at('problem').hidden = false;
  at('problem').focus();
}

async function logOut() {
  at('logout').disabled = true;
  try {
    await fetch('/v1/webapi/sessions', { method: 'DELETE', credentials: 'same-origin', cache: 'no-store' });
  } catch {
    sayProblem('The proxy cannot be reached. Try again.');
    at('logout').disabled = false;
    return;
  }
  location.replace('/web/login');
}

async function start() {
  at('logout').addEventListener('click', logOut);
  let response;
  try {
    response = await fetch('/v1/webapi/apps', { credentials: 'same-origin', cache: 'no-store' });
  } catch {
    sayProblem('The proxy cannot be reached. Try again.');
    return;
  }
  if (response.status === 401 || response.status === 404) {
    location.replace('/web/login');
    return;
  }
  const body = await response.json();
  if (!response.ok) {
    sayProblem(body.message);
    return;
  }
  at('user').textContent = body.user;
  at('none').hidden = body.apps.length > 0;
  at('apps').replaceChildren(...body.apps.map(entry));
  at('loading').hidden = true;
  at('list').hidden = false;
}

start();
