import { LoaderCircle } from 'lucide-react';

/** Something is being fetched. Shown only after a moment by who uses it, or inside what is there already. */
export function Spinner({ label, size = 18 }: { label: string; size?: number }) {
  return (
    <span role="status" className="inline-flex items-center gap-2 text-sm text-soft">
      <LoaderCircle aria-hidden size={size} className="animate-spin" />
      <span>{label}</span>
    </span>
  );
}
