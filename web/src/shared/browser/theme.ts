import { useSyncExternalStore } from 'react';
import { browserStorage } from './storage.ts';

export type ThemeChoice = 'system' | 'light' | 'dark';

const listeners = new Set<() => void>();

/** What was chosen; `system` follows the machine. */
export function themeChoice(): ThemeChoice {
  const stored = browserStorage.read('theme');
  return stored === 'light' || stored === 'dark' ? stored : 'system';
}

export function chooseTheme(choice: ThemeChoice): void {
  browserStorage.write('theme', choice === 'system' ? null : choice);
  applyTheme();
  for (const listener of listeners) listener();
}

/** Keeps the page in step with the machine's setting and with other tabs. public/theme.js does the first painting. */
export function watchTheme(): void {
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', applyTheme);
  addEventListener('storage', (event) => {
    if (event.key !== null && event.key !== 'parley.theme') return;
    applyTheme();
    for (const listener of listeners) listener();
  });
}

export function useThemeChoice(): ThemeChoice {
  return useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }, themeChoice);
}

function applyTheme(): void {
  const choice = themeChoice();
  const isDark = choice === 'dark' || (choice === 'system' && matchMedia('(prefers-color-scheme: dark)').matches);
  document.documentElement.dataset['theme'] = isDark ? 'dark' : 'light';
  document.querySelector('meta[name="theme-color"]')?.setAttribute('content', isDark ? '#17191c' : '#fbfaf7');
}
