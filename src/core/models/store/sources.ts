import { ParleyError } from '../../../base/errors.ts';

/** A source, taken apart. */
export type Source =
  | { kind: 'address'; url: URL; fileName: string }
  | { kind: 'hub-file'; repository: string; path: string; fileName: string }
  | { kind: 'hub-quantisation'; repository: string; quantisation: string };

const longestSource = 2000;
const longestName = 200;
const repositoryForm = /^[\w.-]{1,96}\/[\w.-]{1,96}$/;
const quantisationForm = /^[A-Za-z0-9_]{1,32}$/;
/** Names that Windows keeps for devices, whatever follows the point. */
const deviceName = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i;

/** @throws {ParleyError} `invalid_request`, saying which forms there are */
export function parseSource(source: string): Source {
  const text = source.trim();
  if (text.length > longestSource) throw refused('The source is too long.');
  if (/^https?:\/\//i.test(text)) return parseAddress(text);
  if (text.startsWith('hf:')) return parseHubName(text.slice('hf:'.length));
  throw refused('A source is the address of a .gguf file, or hf:owner/repository/file.gguf, or hf:owner/repository:Q4_K_M.');
}

function parseAddress(text: string): Source {
  const url = URL.parse(text);
  if (url === null || url.hostname === '') throw refused('The address cannot be read.');
  if (url.username !== '' || url.password !== '') throw refused('The address must not hold a user name or password.');
  url.hash = '';
  return { kind: 'address', url, fileName: safeFileName(decoded(url.pathname)) };
}

function parseHubName(name: string): Source {
  const [owner = '', repository = '', ...path] = name.split('/');
  const [plain = '', quantisation] = path.length === 0 ? repository.split(':', 2) : [repository];
  const full = `${owner}/${plain}`;
  if (!repositoryForm.test(full) || full.includes('..')) throw refused('A repository in the hub is named owner/repository.');
  if (path.length > 0) {
    if (path.some((part) => part === '' || part === '.' || part === '..')) throw refused('The path in the repository is not valid.');
    return { kind: 'hub-file', repository: full, path: path.join('/'), fileName: safeFileName(path.join('/')) };
  }
  if (quantisation === undefined) throw refused(`Name a file (hf:${full}/file.gguf) or a quantisation (hf:${full}:Q4_K_M).`);
  if (!quantisationForm.test(quantisation)) throw refused('A quantisation is named like Q4_K_M.');
  return { kind: 'hub-quantisation', repository: full, quantisation };
}

/**
 * The last part of a path as a name that is safe on every platform: it cannot leave the folder, hide, or name a device.
 * @throws {ParleyError} `invalid_request` when it is not the name of a .gguf file
 */
export function safeFileName(path: string): string {
  const last = path.split(/[/\\]/).at(-1) ?? '';
  const name = last
    .replaceAll(/[^\p{L}\p{N}._+=@()[\] -]/gu, '_')
    .replace(/^[.\s-]+/, '')
    .trim();
  if (!/^.+\.gguf$/i.test(name)) throw refused('The name of the file must end in .gguf.');
  if (name.length > longestName || Buffer.byteLength(name) > longestName) throw refused('The name of the file is too long.');
  if (deviceName.test(name)) throw refused('The name of the file is reserved on some systems.');
  return name;
}

/** An address as it may be shown and logged: what stands in its query may be a secret. */
export function shownAddress(url: URL): string {
  return `${url.origin}${url.pathname}`;
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    throw refused('The address holds a broken percent sign.');
  }
}

function refused(message: string): ParleyError {
  return new ParleyError('invalid_request', { message, parameter: 'source' });
}
