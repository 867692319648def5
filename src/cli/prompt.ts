import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { CommandError } from './failure.ts';

/** Bytes of a secret on standard input; more is a mistake. */
const maxSecretBytes = 64 * 1024;

/**
 * Reads a secret without showing it: asks in a terminal, else takes standard input (`parley key add openai < key.txt`).
 * Secrets are never taken from the command line, where other users of the machine can read them.
 * @param question such as "Password"
 * @throws {CommandError} when nothing is given
 */
export async function readSecret(question: string): Promise<string> {
  const secret = process.stdin.isTTY ? await askHidden(question) : await readAll();
  if (secret === '') throw new CommandError(`No ${question.toLowerCase()} was given. Type it when asked, or pass it on standard input.`);
  return secret;
}

/** A secret asked twice where a person types it, so that a slip does not lock them out. */
export async function readNewSecret(question: string): Promise<string> {
  const secret = await readSecret(question);
  if (process.stdin.isTTY && (await askHidden(`${question} once more`)) !== secret) throw new CommandError('The two are not the same.');
  return secret;
}

async function askHidden(question: string): Promise<string> {
  process.stderr.write(`${question}: `);
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({ input: process.stdin, output: nowhere, terminal: true });
  terminal.on('SIGINT', () => process.exit(130));
  try {
    return (await terminal.question('')).trim();
  } finally {
    terminal.close();
    process.stderr.write('\n');
  }
}

async function readAll(): Promise<string> {
  let text = '';
  process.stdin.setEncoding('utf8');
  for await (const piece of process.stdin) {
    text += piece as string;
    if (text.length > maxSecretBytes) throw new CommandError('Standard input is too long for a secret.');
  }
  return text.trim();
}
