import { createRootRoute, createRoute, createRouter, lazyRouteComponent, Link, useLocation } from '@tanstack/react-router';
import { lazy, useEffect } from 'react';
import { ChatPage } from './chat-page.tsx';
import { Gate } from './gate.tsx';
import { NewChatPage } from './new-chat-page.tsx';
import { pathOf, readReturning } from './returning.ts';
import { Shell } from './shell.tsx';

const VerifyAlone = lazy(async () => ({ default: (await import('./verify-page.tsx')).VerifyAlone }));

const root = createRootRoute({
  component: function Root() {
    // A proof can be checked by anybody.
    const isProof = useLocation({ select: ({ pathname }) => pathname === '/verify' });
    return (
      <Gate withoutSignIn={isProof ? <VerifyAlone /> : null}>
        <Shell />
      </Gate>
    );
  },
  notFoundComponent: Nowhere,
});

const newChat = createRoute({ getParentRoute: () => root, path: '/', component: NewChatPage });

const chat = createRoute({
  getParentRoute: () => root,
  path: '/c/$chatId',
  // A message to be brought into sight, which a search has found.
  validateSearch: (search: Record<string, unknown>): { message?: string } => (typeof search['message'] === 'string' ? { message: search['message'] } : {}),
  component: function ShownChat() {
    const { chatId } = chat.useParams();
    const { message = null } = chat.useSearch();
    return <ChatPage key={chatId} chatId={chatId} messageId={message} />;
  },
});

const setup = createRoute({ getParentRoute: () => root, path: '/setup', component: lazyRouteComponent(() => import('./setup-page.tsx'), 'SetupPage') });

const usage = createRoute({ getParentRoute: () => root, path: '/usage', component: lazyRouteComponent(() => import('./usage-page.tsx'), 'UsagePage') });

const groups = createRoute({ getParentRoute: () => root, path: '/groups', component: lazyRouteComponent(() => import('./groups-page.tsx'), 'GroupsPage') });

const files = createRoute({ getParentRoute: () => root, path: '/files', component: lazyRouteComponent(() => import('./files-page.tsx'), 'FilesPage') });

const archive = createRoute({ getParentRoute: () => root, path: '/archive', component: lazyRouteComponent(() => import('./put-away-page.tsx'), 'ArchivePage') });

const trash = createRoute({ getParentRoute: () => root, path: '/trash', component: lazyRouteComponent(() => import('./put-away-page.tsx'), 'TrashPage') });

const agents = createRoute({ getParentRoute: () => root, path: '/agents', component: lazyRouteComponent(() => import('./agents-page.tsx'), 'AgentsPage') });

const AgentSessionPage = lazyRouteComponent(() => import('./agents-page.tsx'), 'AgentSessionPage');

const agentSession = createRoute({
  getParentRoute: () => root,
  path: '/agents/$sessionId',
  component: function ShownSession() {
    const { sessionId } = agentSession.useParams();
    return <AgentSessionPage key={sessionId} sessionId={sessionId} />;
  },
});

const programs = createRoute({ getParentRoute: () => root, path: '/programs', component: lazyRouteComponent(() => import('./programs-page.tsx'), 'ProgramsPage') });

const verify = createRoute({ getParentRoute: () => root, path: '/verify', component: lazyRouteComponent(() => import('./verify-page.tsx'), 'VerifyPage') });

/** Pages that the server makes itself send people here to sign in, and get them back. */
const signIn = createRoute({
  getParentRoute: () => root,
  path: '/sign-in',
  component: function Return() {
    // What the router hands on may hold anything that stood in the address.
    const path = pathOf(readReturning(signIn.useSearch()));
    useEffect(() => location.replace(path), [path]);
    return null;
  },
});

export const router = createRouter({ routeTree: root.addChildren([newChat, chat, setup, usage, groups, files, archive, trash, agents, agentSession, programs, verify, signIn]), defaultPreload: false });

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}

function Nowhere() {
  return (
    <div className="m-auto p-6 text-center">
      <h1 className="text-lg font-semibold">There is nothing at this address</h1>
      <Link to="/" className="control control-primary mt-4">
        To the chats
      </Link>
    </div>
  );
}
