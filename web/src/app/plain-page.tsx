import type { ReactNode } from 'react';
import { PageHead } from './page-head.tsx';

/** A page that is read from its top: a title, and what stands below it. */
export function PlainPage({ title, children }: { title: string; children: ReactNode }) {
  return (
    <>
      <PageHead title={title}>
        <h1 className="text-[0.95rem] font-semibold">{title}</h1>
      </PageHead>
      <div className="min-h-0 flex-1 overflow-y-auto">
        <div className="mx-auto max-w-3xl px-4 py-6">{children}</div>
      </div>
    </>
  );
}
