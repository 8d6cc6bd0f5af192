// The login page: proves who somebody is in one call, and goes where they came from, as long as that is here. What comes
// from the server is put in as text.
'use strict';

const at = (id) => document.getElementById(id);

/** Only the way to an application, and the list of them. */
function destination() {
  const wanted = new URLSearchParams(location.search).get('redirect') ?? '';
  return /^\/web\/launch\/[a-z0-9-]{1,63}(?:\?[\x21-\x7e]*)?$/.test(wanted) ? wanted : '/web/apps';
}

function sayProblem(message) {
  at('problem').textContent = message;
  at('problem').hidden = false;
  at('problem').focus();
}

async function submit(event) {
  event.preventDefault();
  const otp = at('otp').value.replaceAll(' ', '');
  at('submit').disabled = true;
  let body;
  let ok = false;
  try {
    const response = await fetch('/v1/webapi/sessions', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        user: at('user').value,
        password: at('password').value,
        ...(otp === '' ? {} : { otp }),
      }),
      cache: 'no-store',
      credentials: 'same-origin',
      redirect: 'error',
      referrerPolicy: 'no-referrer',
    });
    ok = response.ok;
    body = await response.json();
  } catch {
    body = { message: 'The proxy cannot be reached. Try again.' };
  }
  at('submit').disabled = false;
  at('otp').value = '';
  if (ok) {
    at('form').reset();
    location.replace(destination());
    return;
  }
  sayProblem(body.message ?? 'The login failed.');
}

async function start() {
  at('form').addEventListener('submit', submit);
  at('why').hidden = destination() === '/web/apps';
  try {
    const { auth } = await (await fetch('/v1/webapi/ping', { cache: 'no-store' })).json();
    at('second-factor').hidden = auth.second_factor === 'off';
    at('otp').required = auth.second_factor !== 'off' && auth.second_factor !== 'optional';
  } catch {
    // The login says what is wrong.
  }
}

start();
