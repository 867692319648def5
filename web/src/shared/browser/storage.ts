/** Small texts kept in this browser under the page's own names. Works, without keeping anything, where storage is blocked. */
export const browserStorage = {
  read(name: string): string | null {
    try {
      return localStorage.getItem(prefix + name);
    } catch {
      // Storage is blocked: nothing is kept.
      return null;
    }
  },

  /** Null removes it. */
  write(name: string, value: string | null): void {
    try {
      if (value === null) localStorage.removeItem(prefix + name);
      else localStorage.setItem(prefix + name, value);
    } catch {
      // Storage is blocked or full: it is kept for as long as the page is open, where its owner holds it.
    }
  },

  /** Removes what somebody wrote here, when they sign out: drafts and unsent messages. */
  forgetTexts(): void {
    try {
      const names = [...Array(localStorage.length).keys()].map((at) => localStorage.key(at) ?? '');
      for (const name of names) if (/^parley\.(draft|outbox)\./.test(name)) localStorage.removeItem(name);
    } catch {
      // Storage is blocked: there is nothing to forget.
    }
  },
};

const prefix = 'parley.';
