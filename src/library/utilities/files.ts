import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';

const units = ['B', 'KB', 'MB', 'GB', 'TB', 'PB'];

/**
 * A size for a person: divided by 1024 for each unit, one decimal; whole bytes below 1024. What would round to 1024.0 is
 * 1.0 of the next unit.
 * @param sizeBytes 0 or more
 * @throws {RangeError} for a number that is no size
 */
export function formatFileSize(sizeBytes: number): string {
  if (!Number.isFinite(sizeBytes) || sizeBytes < 0) throw new RangeError('sizeBytes must be a number of 0 or more.');
  let size = sizeBytes;
  let unit = 0;
  const shown = (): string => size.toFixed(unit === 0 ? 0 : 1);
  while (Number(shown()) >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${shown()} ${units[unit]}`;
}

/** Classes of FontAwesome 5 Free with a colour of Bootstrap, and the extensions they stand for. */
const icons: readonly (readonly [string, readonly string[]])[] = [
  ['fas fa-file-pdf text-danger', ['pdf']],
  ['fas fa-file-word text-primary', ['doc', 'docx', 'dot', 'dotx', 'odt', 'rtf']],
  ['fas fa-file-excel text-success', ['xls', 'xlsx', 'xlsm', 'ods']],
  ['fas fa-file-csv text-success', ['csv', 'tsv']],
  ['fas fa-file-powerpoint text-warning', ['ppt', 'pptx', 'odp']],
  ['fas fa-file-image text-info', ['png', 'jpg', 'jpeg', 'gif', 'webp', 'svg', 'bmp', 'ico', 'tif', 'tiff', 'avif', 'heic']],
  ['fas fa-file-video text-danger', ['mp4', 'webm', 'mov', 'avi', 'mkv', 'm4v']],
  ['fas fa-file-audio text-warning', ['mp3', 'wav', 'ogg', 'oga', 'flac', 'm4a', 'aac', 'opus']],
  ['fas fa-file-archive text-secondary', ['zip', 'tar', 'gz', 'tgz', 'bz2', 'xz', '7z', 'rar', 'zst']],
  [
    'fas fa-file-code text-dark',
    [
      'js', 'mjs', 'cjs', 'ts', 'tsx', 'jsx', 'py', 'java', 'c', 'h', 'cpp', 'hpp', 'cs', 'go', 'rs', 'rb', 'php', 'swift', 'kt', 'sh', 'sql', 'html', 'htm',
      'css', 'json', 'xml', 'yaml', 'yml', 'toml',
    ],
  ],
  ['fas fa-file-alt text-secondary', ['txt', 'md', 'markdown', 'log', 'rst']],
];
const iconOf = new Map(icons.flatMap(([icon, extensions]) => extensions.map((extension) => [extension, icon] as const)));

/** The FontAwesome class for a file, by what stands behind the last dot of its name. Case and folders do not matter. */
export function getFileTypeIcon(filename: string): string {
  const name = filename.slice(Math.max(filename.lastIndexOf('/'), filename.lastIndexOf('\\')) + 1);
  const dot = name.lastIndexOf('.');
  // A dot in front makes a hidden file, no extension.
  const extension = dot > 0 ? name.slice(dot + 1).toLowerCase() : '';
  return iconOf.get(extension) ?? 'fas fa-file text-muted';
}

export type HashAlgorithm = 'md5' | 'sha1' | 'sha256';

const algorithms: readonly string[] = ['md5', 'sha1', 'sha256'] satisfies HashAlgorithm[];

/**
 * The digest of a file in lower-case hexadecimal. It is read piece by piece, so its size does not matter. MD5 and SHA-1
 * find damage, not forgery: use `sha256` where somebody might want to deceive.
 * @throws {RangeError} for another algorithm
 * @throws {Error} when the file cannot be read
 */
export async function calculateFileHash(filePath: string, algorithm: HashAlgorithm = 'md5'): Promise<string> {
  if (!algorithms.includes(algorithm)) throw new RangeError(`algorithm must be one of ${algorithms.join(', ')}.`);
  const hash = createHash(algorithm);
  await pipeline(createReadStream(filePath), hash);
  return hash.digest('hex');
}
