import { AppWindow, ArrowDownUp, ChartNoAxesColumn, KeyRound, LogOut, Monitor, Moon, Settings, ShieldCheck, Sun } from 'lucide-react';
import { useState } from 'react';
import { messageOf } from '../../shared/api/index.ts';
import { chooseTheme, useThemeChoice, type ThemeChoice } from '../../shared/browser/index.ts';
import { Dialog, Menu, MenuChoice, MenuChoices, MenuChosenMark, MenuItem, MenuLabel, MenuSeparator, Notice } from '../../shared/ui/index.ts';
import { SignUpForm } from './sign-up-form.tsx';
import { useSession, useSignOut, useUser } from './use-session.ts';

const themes: { choice: ThemeChoice; name: string; icon: typeof Sun }[] = [
  { choice: 'system', name: 'As the system', icon: Monitor },
  { choice: 'light', name: 'Light', icon: Sun },
  { choice: 'dark', name: 'Dark', icon: Moon },
];

/** Pages that concern whoever is signed in. */
export type UserPage = '/setup' | '/usage' | '/files' | '/programs' | '/verify';

const pages: { page: UserPage; name: string; icon: typeof Sun }[] = [
  { page: '/setup', name: 'Models and keys', icon: Settings },
  { page: '/usage', name: 'Usage', icon: ChartNoAxesColumn },
  { page: '/files', name: 'Export and import', icon: ArrowDownUp },
  { page: '/programs', name: 'Programs with access', icon: AppWindow },
  { page: '/verify', name: 'Check a transcript', icon: ShieldCheck },
];

/** Who is signed in, and what concerns them: colours, set-up, usage, a password for the owner, signing out. */
export function UserMenu({ onOpen }: { onOpen: (page: UserPage) => void }) {
  const user = useUser();
  const session = useSession();
  const signOut = useSignOut();
  const theme = useThemeChoice();
  const [isClaiming, setClaiming] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const name = user.claimed ? user.name || user.username : 'Owner of this machine';
  return (
    <>
      <Menu
        align="start"
        side="top"
        className="w-64"
        trigger={
          <button type="button" className="flex min-h-11 w-full items-center gap-3 rounded-xl px-2 text-left text-sm hover:bg-raised">
            <span aria-hidden className="flex size-8 shrink-0 items-center justify-center rounded-full bg-accent-soft font-semibold text-accent-strong">
              {name.charAt(0).toUpperCase()}
            </span>
            <span className="min-w-0 flex-1">
              <span className="block truncate font-medium">{name}</span>
              <span className="block truncate text-xs text-soft">{user.claimed ? `@${user.username}` : 'No password set'}</span>
            </span>
            <Settings aria-hidden size={16} className="mr-1 text-soft" />
          </button>
        }
      >
        {pages.map(({ page, name: label, icon: Icon }) => (
          <MenuItem key={page} onSelect={() => onOpen(page)}>
            <Icon aria-hidden size={16} /> {label}
          </MenuItem>
        ))}
        {!user.claimed && (
          <MenuItem onSelect={() => setClaiming(true)}>
            <KeyRound aria-hidden size={16} /> Set a password
          </MenuItem>
        )}
        <MenuSeparator />
        <MenuLabel>Colours</MenuLabel>
        <MenuChoices value={theme} onValueChange={(value) => chooseTheme(value as ThemeChoice)}>
          {themes.map(({ choice, name: label, icon: Icon }) => (
            <MenuChoice key={choice} value={choice}>
              <Icon aria-hidden size={16} /> {label}
              <MenuChosenMark className="ml-auto text-accent">✓</MenuChosenMark>
            </MenuChoice>
          ))}
        </MenuChoices>
        <MenuSeparator />
        <MenuItem onSelect={() => void signOut().catch((reason: unknown) => setError(messageOf(reason)))}>
          <LogOut aria-hidden size={16} /> Sign out
        </MenuItem>
      </Menu>
      {error && <Notice kind="error" className="mt-2">{error}</Notice>}
      {isClaiming && session && (
        <Dialog title="Set a password" onClose={() => setClaiming(false)}>
          <SignUpForm session={session} onDone={() => setClaiming(false)} />
        </Dialog>
      )}
    </>
  );
}
