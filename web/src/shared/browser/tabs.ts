/** What the page tells its other tabs: that their copy of something is old. */
export type TabNews = 'chats' | 'session' | 'models';

const channel = typeof BroadcastChannel === 'undefined' ? null : new BroadcastChannel('parley');

export function tellTabs(news: TabNews): void {
  channel?.postMessage(news);
}

export function hearTabs(listener: (news: TabNews) => void): void {
  channel?.addEventListener('message', (event: MessageEvent<TabNews>) => listener(event.data));
}
