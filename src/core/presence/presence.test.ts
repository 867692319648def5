import { afterEach, describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../base/clock.ts';
import { createLocalBus, type Bus } from '../../base/events/index.ts';
import { newId } from '../../base/ids.ts';
import { openTestStorage } from '../../base/storage/testing.ts';
import type { Viewer } from '../accounts/index.ts';
import { createPresence, type Presence } from './index.ts';

const admin: Viewer = { userId: 'ann', username: 'ann', role: 'admin', scopes: ['read', 'admin'], via: 'token', credentialId: null, expiresAt: null };
const user: Viewer = { ...admin, userId: 'bea', username: 'bea', role: 'user', scopes: ['read'] };

describe('Open sockets', () => {
  const ending: (() => Promise<void>)[] = [];
  afterEach(async () => {
    vi.useRealTimers();
    for (const end of ending.splice(0).reverse()) await end();
  });

  /** Instances over one bus, as Redis makes them; `deaf` loses what it is told while it is set. */
  async function instances(count: number): Promise<{ all: Presence[]; deaf: { isSet: boolean } }> {
    const database = await openTestStorage('sqlite');
    ending.push(() => database.close());
    const shared = createLocalBus((error) => { throw error; });
    const deaf = { isSet: false };
    const all: Presence[] = [];
    for (let index = 0; index < count; index += 1) {
      const bus: Bus = { ...shared, subscribe: (topic, receive) => shared.subscribe(topic, (message) => { if (!deaf.isSet) receive(message); }) };
      const presence = createPresence({ storage: database.storage, bus, clock: systemClock, instanceId: newId(), several: count > 1 });
      await presence.start!();
      ending.push(async () => presence.stop!());
      all.push(presence);
    }
    return { all, deaf };
  }

  it('are counted by chat, until each is closed; those of strangers without their ids', async () => {
    const [presence] = (await instances(1)).all;
    const closing = ['one', 'one', 'two'].map((chat) => presence!.opened(chat, 'bea'));
    expect(await presence!.openSockets(admin)).toEqual({ total: 3, conversations: 2, perConversation: [{ id: 'one', sockets: 2 }, { id: 'two', sockets: 1 }], own: 0 });
    expect(await presence!.openSockets(user)).toEqual({ total: 3, conversations: 2, perConversation: [], own: 3 });
    expect([presence!.isWatched('one'), presence!.isWatched('three')]).toEqual([true, false]);
    closing[2]!();
    closing[2]!();
    expect(await presence!.openSockets(admin)).toMatchObject({ total: 2, conversations: 1 });
    closing[0]!();
    closing[1]!();
    expect(await presence!.openSockets(admin)).toEqual({ total: 0, conversations: 0, perConversation: [], own: 0 });
  });

  it('are known on every instance, also to one that comes later', async () => {
    const { all: [one, two, three] } = await instances(3);
    const close = one!.opened('chat', 'ann');
    two!.opened('chat', 'bea');
    for (const instance of [one, two, three]) await expect.poll(() => instance!.openSockets(admin)).toMatchObject({ total: 2, own: 1, perConversation: [{ id: 'chat', sockets: 2 }] });
    close();
    for (const instance of [one, two, three]) await expect.poll(async () => (await instance!.openSockets(admin)).total).toBe(1);
    await two!.stop!();
    await expect.poll(async () => (await one!.openSockets(admin)).total).toBe(0);
  });

  it('are found again when a hint was lost, and forgotten with an instance that fell silent', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'setInterval', 'clearTimeout', 'clearInterval', 'performance'] });
    const { all: [one, two], deaf } = await instances(2);
    deaf.isSet = true;
    two!.opened('chat', 'bea');
    await vi.advanceTimersByTimeAsync(1000);
    deaf.isSet = false;
    expect((await one!.openSockets(admin)).total).toBe(0);
    await vi.advanceTimersByTimeAsync(6000);
    expect((await one!.openSockets(admin)).total).toBe(1);
    deaf.isSet = true;
    await vi.advanceTimersByTimeAsync(20_000);
    expect((await one!.openSockets(admin)).total).toBe(0);
  });
});
