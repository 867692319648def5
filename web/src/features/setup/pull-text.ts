import type { Inspection, Pull } from '../../shared/api/index.ts';
import { formatBytes, formatDuration } from '../../shared/format.ts';

/** Whether more of a model is on its way. */
export function isActive(pull: Pull): boolean {
  return pull.state === 'waiting' || pull.state === 'running';
}

/** How far a download is and how long it will take, as far as either can be known. */
export function progressText(pull: Pull): string {
  const received = formatBytes(pull.received_bytes);
  const total = pull.size_bytes === null ? received : `${received} of ${formatBytes(pull.size_bytes)}`;
  if (pull.state === 'waiting') return pull.received_bytes > 0 ? `Waiting · ${total}` : 'Waiting';
  if (pull.state === 'cancelled') return `Stopped · ${total} kept`;
  if (pull.state === 'failed') return `Broken off · ${total} kept`;
  if (pull.state === 'done') return `Ready · ${formatBytes(pull.size_bytes ?? pull.received_bytes)}`;
  if (!pull.bytes_per_second) return total;
  const speed = `${formatBytes(pull.bytes_per_second)}/s`;
  if (pull.size_bytes === null) return `${total} · ${speed}`;
  const restMs = ((pull.size_bytes - pull.received_bytes) / pull.bytes_per_second) * 1000;
  return `${total} · ${speed} · ${formatDuration(Math.max(1000, Math.round(restMs / 1000) * 1000)).replace('.0 s', ' s')} left`;
}

/** Why a model cannot be fetched; null when nothing speaks against it. */
export function obstacleOf(inspection: Inspection): string | null {
  if (inspection.fits !== false) return null;
  const { size_bytes: size, free_bytes: free } = inspection;
  return size !== null && free !== null
    ? `It needs ${formatBytes(size)}, and ${formatBytes(free)} are free in the models folder. Make room first.`
    : 'There is not enough room in the models folder.';
}
