import { hash } from 'node:crypto';
import type { OauthScope, WaitingRequest } from '../../core/accounts/index.ts';

const style = `
body { font: 16px/1.5 system-ui, sans-serif; max-width: 32rem; margin: 3rem auto; padding: 0 1rem; color: #1b1f24; background: #fff; }
h1 { font-size: 1.5rem; }
code { font: 1.25rem ui-monospace, monospace; letter-spacing: 0.1em; }
dl { display: grid; grid-template-columns: auto 1fr; gap: 0.25rem 1rem; }
dt { font-weight: 600; }
dd { margin: 0; overflow-wrap: anywhere; }
input, button { font: inherit; padding: 0.5rem 0.75rem; }
input { text-transform: uppercase; letter-spacing: 0.1em; }
button + button { margin-left: 0.5rem; }
@media (prefers-color-scheme: dark) { body { color: #e6e9ec; background: #15181c; } a { color: #8ab4f8; } }
`;

/** Nothing but this very style, and forms to this server: no script, no picture, no frame. */
export const devicePolicy = `default-src 'none'; style-src 'sha256-${hash('sha256', style, 'base64')}'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'`;

/** What each scope lets a program do, for a person. */
const meanings: Record<OauthScope, string> = {
  chat: 'read your conversations, and send messages in your name',
  inference: 'ask models at your expense, and start work',
  p2p: 'use the network of peers',
  monitoring: 'see how the server is, and its figures',
};

function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${escaped(title)} - Parley</title><style>${style}</style></head>
<body>
<main>
<h1>${escaped(title)}</h1>
${body}
</main>
</body>
</html>
`;
}

/** Asks for the code. @param problem what was wrong with the one before */
export function codePage(username: string, problem: string | null = null): string {
  return page('Connect a program', `${problem === null ? '' : `<p role="alert">${escaped(problem)}</p>\n`}<p>You are signed in as <strong>${escaped(username)}</strong>. Type the code that the program shows you.</p>
<form method="get" action="/device">
<p><label>Code <input name="user_code" required maxlength="40" autocomplete="off" autocapitalize="characters" spellcheck="false" placeholder="XXXX-XXXX"></label></p>
<p><button>Continue</button></p>
</form>`);
}

/** Shows what is asked for. Everything the program says of itself is shown as text. */
export function approvalPage(username: string, userCode: string, token: string, request: WaitingRequest): string {
  const { client, device, scopes } = request;
  const said = [device.platform, device.version, device.device_id].filter((part) => part !== undefined && part !== '').join(', ');
  const wishes = scopes.length === 0
    ? '<p role="alert">You may not give any of the permissions that it asks for.</p>'
    : `<p>It could then:</p>\n<ul>\n${scopes.map((scope) => `<li><strong>${scope}</strong>: ${escaped(meanings[scope])}</li>`).join('\n')}\n</ul>`;
  return page('Give a program access?', `<p>Does the program show you this code? If it does not, or if you have not asked for this yourself, refuse.</p>
<p><code>${escaped(userCode)}</code></p>
<dl>
<dt>Program</dt><dd>${escaped(client.name)} (${escaped(client.id)})</dd>
<dt>It says it runs on</dt><dd>${said === '' ? 'nothing' : escaped(said)}</dd>
<dt>Your account</dt><dd>${escaped(username)}</dd>
</dl>
${wishes}
<form method="post" action="/device">
<input type="hidden" name="user_code" value="${escaped(userCode)}">
<input type="hidden" name="approval_token" value="${escaped(token)}">
<p>${scopes.length === 0 ? '' : '<button name="decision" value="approve">Give access</button>'}<button name="decision" value="deny">Refuse</button></p>
</form>`);
}

export function decidedPage(request: WaitingRequest, approved: boolean): string {
  return approved
    ? page('Access given', `<p><strong>${escaped(request.client.name)}</strong> goes on by itself within a few seconds. You can close this page.</p>`)
    : page('Refused', `<p><strong>${escaped(request.client.name)}</strong> gets no access. You can close this page.</p>`);
}

/** For whoever is not signed in, or came here by a link of another site, with which browsers send no session. */
export function signInPage(userCode: string): string {
  const code = encodeURIComponent(userCode);
  const here = userCode === '' ? '/device' : `/device?user_code=${code}`;
  // The page is told a name and no address: it knows itself where that is, and sends nobody elsewhere.
  const signIn = `/sign-in?to=device${userCode === '' ? '' : `&user_code=${code}`}`;
  return page('Sign in first', `<p><a href="${escaped(signIn)}">Sign in</a>, and you come back to this page.</p>
<p>If you are signed in already, <a href="${escaped(here)}">go on</a>.</p>`);
}

export function problemPage(sentence: string): string {
  return page('That did not work', `<p role="alert">${escaped(sentence)}</p>\n<p><a href="/device">Try again</a></p>`);
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
