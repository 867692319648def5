/** The mark of Parley: something said, and an answer. */
export function Logo({ size = 28 }: { size?: number }) {
  return (
    <svg aria-hidden viewBox="0 0 32 32" width={size} height={size} className="shrink-0">
      <rect width="32" height="32" rx="9" className="fill-accent" />
      <path d="M8 9.5h9.5a4 4 0 0 1 4 4v.5a4 4 0 0 1-4 4H13l-5 4z" className="fill-on-accent" />
      <circle cx="23.5" cy="21.5" r="2.5" className="fill-on-accent opacity-70" />
    </svg>
  );
}
