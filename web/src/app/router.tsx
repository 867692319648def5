import { createRootRoute, createRoute, createRouter, Link } from '@tanstack/react-router';
import { ChatPage } from './chat-page.tsx';
import { Gate } from './gate.tsx';
import { NewChatPage } from './new-chat-page.tsx';
import { SetupPage } from './setup-page.tsx';
import { Shell } from './shell.tsx';
import { UsagePage } from './usage-page.tsx';

const root = createRootRoute({
  component: () => (
    <Gate>
      <Shell />
    </Gate>
  ),
  notFoundComponent: Nowhere,
});

const newChat = createRoute({ getParentRoute: () => root, path: '/', component: NewChatPage });

const chat = createRoute({
  getParentRoute: () => root,
  path: '/c/$chatId',
  component: function ShownChat() {
    const { chatId } = chat.useParams();
    return <ChatPage key={chatId} chatId={chatId} />;
  },
});

const setup = createRoute({ getParentRoute: () => root, path: '/setup', component: SetupPage });

const usage = createRoute({ getParentRoute: () => root, path: '/usage', component: UsagePage });

export const router = createRouter({ routeTree: root.addChildren([newChat, chat, setup, usage]), defaultPreload: false });

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
