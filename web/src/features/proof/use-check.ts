import { useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { messageOf } from '../../shared/api/index.ts';
import { checkOnServer, keysQuery } from './keys.ts';
import { canVerifyHere, FormError, readSealedTranscript, readTrustedKeys, readWitness, textOfFile, verifyTranscript, type SealedTranscript, type TrustedKeys, type Verification } from './verifier.ts';

/** A file that was chosen. */
export interface Chosen {
  name: string;
  text: string;
}

/** The files of a check. */
export interface Files {
  transcript: Chosen | null;
  /** Keys of another server, or noted earlier; null for those of this server. */
  keys: Chosen | null;
  /** A noted head of the log. */
  witness: Chosen | null;
  /** Another copy of the same transcript. */
  against: Chosen | null;
}

export type FileKind = keyof Files;

export interface Checked {
  result: Verification;
  /** Null where the file cannot be read. */
  sealed: SealedTranscript | null;
}

export interface Check {
  files: Files;
  choose: (kind: FileKind, file: File | null) => void;
  /** Whose keys are trusted; `none` where this server cannot be reached and no file was chosen. */
  keysFrom: 'server' | 'file' | 'none' | 'loading';
  keys: TrustedKeys | null;
  /** Null while there is nothing to say. */
  checked: Checked | null;
  /** Why it cannot be checked. */
  problem: string | null;
  /** Whether this browser can check signatures on this page. */
  canHere: boolean;
  /** Lets the server check, by its own keys, where the browser cannot; null where it can, and where other keys were chosen. */
  askServer: (() => void) | null;
}

/** Most bytes of a file that is read: what `parley verify` reads as well. */
const mostBytes = 300_000_000;

const none: Files = { transcript: null, keys: null, witness: null, against: null };

/** Checks the chosen files in this browser whenever one of them changes. */
export function useCheck(): Check {
  const server = useQuery(keysQuery);
  const [files, setFiles] = useState<Files>(none);
  const [checked, setChecked] = useState<Checked | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [canHere, setCanHere] = useState(true);
  /** The files that the server was asked about. */
  const [asked, setAsked] = useState<{ files: Files } | null>(null);
  useEffect(() => void canVerifyHere().then(setCanHere), []);
  const serverKeys = server.data ?? null;
  useEffect(() => {
    let isOld = false;
    setChecked(null);
    setProblem(null);
    const work = canHere ? check(files, serverKeys) : asked?.files === files ? checkThere(files) : null;
    // What is said of other files than those that are shown is said to nobody.
    work?.then(
      (found) => isOld || setChecked(found),
      (reason: unknown) => isOld || setProblem(reason instanceof FormError ? reason.message : messageOf(reason)),
    );
    return () => void (isOld = true);
  }, [files, serverKeys, canHere, asked]);
  const choose = (kind: FileKind, file: File | null): void => {
    if (file === null) return setFiles((before) => ({ ...before, [kind]: null }));
    if (file.size > mostBytes) return setProblem(`${file.name} is too large to be a transcript.`);
    file.arrayBuffer().then(
      (bytes) => {
        const text = textOfFile(bytes);
        if (text === null) return setProblem(`${file.name} is no text in UTF-8.`);
        setFiles((before) => ({ ...before, [kind]: { name: file.name, text } }));
      },
      () => setProblem(`${file.name} cannot be read.`),
    );
  };
  return {
    files, choose, checked, problem, canHere,
    keys: files.keys ? keysOf(files.keys) : serverKeys,
    keysFrom: files.keys ? 'file' : serverKeys ? 'server' : server.isPending ? 'loading' : 'none',
    askServer: canHere || files.keys ? null : () => setAsked({ files }),
  };
}

/** @throws {FormError} for a file of keys, a head or a copy that is none */
async function check({ transcript, keys, witness, against }: Files, serverKeys: TrustedKeys | null): Promise<Checked | null> {
  if (!transcript) return null;
  const trusted = keys ? readTrustedKeys(keys.text) : serverKeys;
  if (!trusted) return null;
  const result = await verifyTranscript(transcript.text, trusted, { ...(witness ? { witness: readWitness(witness.text) } : {}), ...(against ? { against: against.text } : {}) });
  return { result, sealed: readable(transcript.text) };
}

async function checkThere({ transcript, witness, against }: Files): Promise<Checked | null> {
  if (!transcript) return null;
  return { result: await checkOnServer(transcript.text, witness?.text ?? null, against?.text ?? null), sealed: readable(transcript.text) };
}

function keysOf({ text }: Chosen): TrustedKeys | null {
  try {
    return readTrustedKeys(text);
  } catch (error) {
    // The check of the files says so.
    if (error instanceof FormError) return null;
    throw error;
  }
}

function readable(text: string): SealedTranscript | null {
  try {
    return readSealedTranscript(text);
  } catch (error) {
    // The verdict says so.
    if (error instanceof FormError) return null;
    throw error;
  }
}
