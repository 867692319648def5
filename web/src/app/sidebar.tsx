import { Link, useNavigate } from '@tanstack/react-router';
import { Archive, Bot, Search, SquarePen, Trash2, Users } from 'lucide-react';
import { ChatList } from '../features/chats/index.ts';
import { UserMenu, type UserPage } from '../features/session/index.ts';
import { commandKeyName } from '../shared/browser/index.ts';
import { IconButton, Logo } from '../shared/ui/index.ts';
import { useLayout } from './layout.tsx';

interface SidebarProps {
  openId: string | null;
  /** Something was chosen: the drawer of a phone closes. */
  onChosen: () => void;
  onSwitch: () => void;
}

/** The list of chats, the ways to new ones above it, and to what was put away below. */
export function Sidebar({ openId, onChosen, onSwitch }: SidebarProps) {
  const navigate = useNavigate();
  const { doors } = useLayout();
  const go = (to: '/' | UserPage): void => {
    onChosen();
    void navigate({ to });
  };
  return (
    <>
      <div className="flex items-center gap-2.5 px-4 pb-2 pt-4">
        <Logo />
        <span className="flex-1 text-lg font-semibold tracking-tight">Parley</span>
        <IconButton label={`Find a chat or a message (${commandKeyName}+K)`} className="hover:bg-raised" onClick={onSwitch}>
          <Search aria-hidden size={18} />
        </IconButton>
      </div>
      <div className="flex flex-wrap gap-2 px-3 pb-2 pt-1">
        <button type="button" className="control control-plain w-full justify-start" onClick={() => go('/')}>
          <SquarePen aria-hidden size={16} /> New chat
        </button>
        <Link to="/groups" onClick={onChosen} className="control control-plain flex-1 justify-start" activeProps={{ 'aria-current': 'page' }}>
          <Users aria-hidden size={16} /> Groups
        </Link>
        <Link to="/agents" onClick={onChosen} className="control control-plain flex-1 justify-start" activeProps={{ 'aria-current': 'page' }}>
          <Bot aria-hidden size={16} /> Agents
        </Link>
      </div>
      <div className="min-h-0 flex-1 overflow-y-auto px-2 pb-3">
        <ChatList openId={openId} onChosen={onChosen} {...doors} />
      </div>
      <div className="border-t border-line p-2">
        <div className="mb-1 flex">
          <Away to="/archive" icon={Archive} name="Archive" onChosen={onChosen} />
          <Away to="/trash" icon={Trash2} name="Trash" onChosen={onChosen} />
        </div>
        <UserMenu onOpen={go} />
      </div>
    </>
  );
}

function Away({ to, icon: Icon, name, onChosen }: { to: '/archive' | '/trash'; icon: typeof Archive; name: string; onChosen: () => void }) {
  return (
    <Link to={to} onClick={onChosen} className="control flex-1 justify-start px-2.5! text-soft hover:bg-raised hover:text-ink" activeProps={{ className: 'bg-raised text-ink!' }}>
      <Icon aria-hidden size={15} /> {name}
    </Link>
  );
}
