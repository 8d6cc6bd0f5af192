// The sign-up page: opens the invitation of the address, sets password and one-time code, and says what to do next.
// Whatever comes from the server is put in as text. The token goes into the bodies of two calls and nowhere else.
'use strict';

const at = (id) => document.getElementById(id);
const token = location.pathname.split('/').pop();

async function call(path, body) {
  let answer;
  try {
    const response = await fetch(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      cache: 'no-store',
      credentials: 'omit',
      redirect: 'error',
      referrerPolicy: 'no-referrer',
    });
    answer = { ok: response.ok, body: await response.json() };
  } catch {
    answer = { ok: false, body: { code: 'UNAVAILABLE', message: 'The proxy cannot be reached. Try again.' } };
  }
  return answer;
}

function show(id, focus) {
  for (const part of ['loading', 'form', 'done', 'dead']) at(part).hidden = part !== id;
  at(focus)?.focus();
}

function drawCode({ size, path }) {
  const SVG = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', `0 0 ${size} ${size}`);
  svg.setAttribute('role', 'img');
  svg.setAttribute('aria-label', 'QR code for the authenticator app; its text is in the field below');
  const shape = document.createElementNS(SVG, 'path');
  shape.setAttribute('d', path);
  svg.append(shape);
  at('qr').replaceChildren(svg);
}

function sayProblem(message, field) {
  at('problem').textContent = message;
  at('problem').hidden = false;
  for (const id of ['password', 'again', 'otp']) at(id).removeAttribute('aria-invalid');
  field?.setAttribute('aria-invalid', 'true');
  (field ?? at('problem')).focus();
}

function sayDead(message) {
  at('dead-says').textContent = message;
  show('dead', 'dead-title');
}

function fill(invite) {
  if (invite.purpose === 'reset') {
    document.title = 'New password - Gatehouse';
    at('title').textContent = 'Set a new password';
  }
  at('user').textContent = invite.user;
  at('name').value = invite.user;
  const expires = new Date(invite.expires);
  if (!Number.isNaN(expires.getTime())) at('until').textContent = `, until ${expires.toLocaleString()}`;
  if (invite.otp !== undefined) {
    for (const part of document.querySelectorAll('.otp')) part.hidden = false;
    drawCode(invite.otp.qr);
    at('secret').value = invite.otp.secret;
    at('otp').required = invite.second_factor !== 'optional';
    if (invite.second_factor === 'optional') {
      at('otp-says').textContent =
        'If you like, scan this with an authenticator app and type the code that it shows. Leave the code empty to do without.';
    }
  }
  show('form', 'password');
}

async function submit(event) {
  event.preventDefault();
  const password = at('password').value;
  if (password !== at('again').value) {
    sayProblem('The two passwords differ.', at('again'));
    return;
  }
  const otp = at('otp').value.replaceAll(' ', '');
  at('submit').disabled = true;
  const { ok, body } = await call('/v1/webapi/invites/accept', {
    token,
    password,
    ...(otp === '' ? {} : { otp }),
  });
  at('submit').disabled = false;
  if (ok) {
    at('form').reset();
    at('secret').value = '';
    at('qr').replaceChildren();
    at('command').textContent = body.login_command;
    show('done', 'done-title');
    return;
  }
  if (body.code === 'NOT_FOUND') sayDead(body.message);
  else sayProblem(body.message, body.code === 'INVALID_CREDENTIALS' ? at('otp') : undefined);
}

async function start() {
  at('form').addEventListener('submit', submit);
  at('secret').addEventListener('focus', (event) => event.target.select());
  const { ok, body } = await call('/v1/webapi/invites/open', { token });
  if (ok) fill(body);
  else sayDead(body.message);
}

start();
