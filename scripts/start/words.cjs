'use strict';
/* What the start script says. To standard error, so that the output of `parley` commands stays clean. */

function say(text) {
  process.stderr.write(`parley: ${text}\n`);
}

/** Why the start ended, for a person: a sentence, and lines that say what to do. */
class StartError extends Error {
  constructor(message, hints) {
    super(message);
    this.hints = hints || [];
  }
}

/**
 * Says that a step begins, every ten seconds that it still runs, and how long it took.
 * @param {string} doing such as "installing packages"
 * @param {string} done such as "packages installed"
 */
async function step(doing, done, work) {
  const began = Date.now();
  const seconds = () => ((Date.now() - began) / 1000).toFixed(1);
  say(`${doing} ...`);
  const short = doing.replace(/ \(.*?\)$/, '');
  const timer = setInterval(() => say(`  still ${short} (${Math.round(Number(seconds()))} s)`), 10000);
  try {
    const result = await work();
    say(`${done} (${seconds()} s).`);
    return result;
  } finally {
    clearInterval(timer);
  }
}

/**
 * Turns the output of a failed npm or build into a sentence and advice.
 * @param {string} what was being done, such as "Installing packages"
 * @param {string} output both streams of the failed command
 */
function explain(what, output) {
  const lines = output.trim().split('\n').map((line) => `| ${line}`);
  const tail = lines.length <= 16 ? lines : [...lines.slice(0, 8), '| ...', ...lines.slice(-8)];
  const because = (sentence, advice) => new StartError(`${what} failed: ${sentence}`, [...advice, ...tail]);
  if (/ENOSPC/.test(output)) return because('the disk is full.', ['Free about 1 GB and start again.']);
  if (/EACCES|EPERM|EROFS/.test(output)) {
    return because('a folder cannot be written.', ['Parley installs into its own clone and into the npm cache: check who owns both (often they were made with sudo).']);
  }
  if (/CERT_|SELF_SIGNED|UNABLE_TO_GET_ISSUER|UNABLE_TO_VERIFY/.test(output)) {
    return because('the certificate of the package registry is not trusted.', ['Behind a company proxy set its certificate: npm config set cafile /path/to/certificate.pem']);
  }
  if (/ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET_TIMEOUT|network/i.test(output)) {
    return because('the package registry cannot be reached.', [
      'The first start needs the npm registry (nothing else). Check the network, a proxy (npm config set proxy URL) or a mirror (npm config set registry URL), and start again.',
    ]);
  }
  if (/E404|ETARGET|notarget/.test(output)) return because('the package registry does not have one of the packages.', ['A mirror may be incomplete: npm config get registry shows which one is used.']);
  if (/EINTEGRITY/.test(output)) return because('a package arrived damaged.', ['npm cache verify, then start again.']);
  if (/EUSAGE/.test(output)) return because('package.json and package-lock.json do not fit together.', ['Run npm install and commit both.']);
  return because('see below.', ['What the command said:']);
}

module.exports = { say, step, explain, StartError };
