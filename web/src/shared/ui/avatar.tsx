/** Stands for somebody: the first letter of a name. */
export function Avatar({ name }: { name: string }) {
  return (
    <span aria-hidden className="flex size-8 shrink-0 items-center justify-center rounded-full bg-accent-soft text-sm font-semibold text-accent-strong">
      {name.charAt(0).toUpperCase()}
    </span>
  );
}
