import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sendRequest, type Json, type TestUser } from '../../src/dialects/testing.ts';
import { agentChatSocket, replier, speaker } from './agent-chat.ts';
import { arketicSocket } from './arketic.ts';
import { friendEvents, friendSocket } from './friend.ts';
import { studioSocket } from './studio.ts';
import type { Tongue } from './tongue.ts';
import { inSpokenModel, ultimatePlain, ultimateRest, ultimateSocket } from './ultimate.ts';
import { spoken, startDialectWorld, type DialectWorld, type Server } from './world.ts';

/** A conversation as every dialect must show it, by the core's own names. */
interface Shown {
  role: string;
  text: string;
  /** When it began, and when it was whole, milliseconds since the epoch: dialects show the one or the other. */
  at?: number;
  wholeAt?: number;
  /** Prompt and answer together; null where the dialect shows no tokens, or the message has none. */
  tokens?: number | null;
  model?: string | null;
  dollars?: number | null;
}

/** How a dialect makes, lists and shows conversations. */
interface View {
  name: string;
  tongue: Tongue;
  /** Begins a conversation with a first message and waits for its answer. */
  begin(at: Server, user: TestUser, text: string): Promise<string>;
  lists(at: Server, user: TestUser): Promise<string[]>;
  show(at: Server, user: TestUser, id: string): Promise<Shown[]>;
}

const get = async (at: Server, user: TestUser, path: string): Promise<Json> => (await sendRequest(at.url, 'GET', path, { as: user })).json;

function beginning(tongue: Tongue): View['begin'] {
  return async (at, user, text) => {
    const id = await tongue.newConversation(at, user);
    const client = await tongue.open(at, user, id);
    await (await client.say(text)).end;
    client.close();
    return id;
  };
}

const arketic: View = {
  name: 'arketic', tongue: arketicSocket, begin: beginning(arketicSocket),
  lists: async (at, user) => (await get(at, user, '/api/v1/chat/chats')).map((chat: Json) => chat.id),
  show: async (at, user, id) =>
    (await get(at, user, `/api/v1/chat/chats/${id}?include=branches`)).messages.map((message: Json) => ({
      role: message.message_type === 'AI' ? 'assistant' : 'user', text: message.content, at: Date.parse(message.created_at),
      wholeAt: Date.parse(message.ended_at ?? message.created_at), tokens: message.tokens_used, model: message.ai_model_used, dollars: message.cost_usd,
    })),
};

const friend: View = {
  name: 'friend', tongue: friendSocket, begin: beginning(friendSocket),
  lists: async (at, user) => (await get(at, user, '/api/chat/sessions')).sessions.map((session: Json) => session.session_id),
  show: async (at, user, id) =>
    (await get(at, user, `/api/chat/history?session_id=${id}`)).messages.map((message: Json) => ({ role: message.role, text: message.content, at: Date.parse(message.timestamp) })),
};

const studio: View = {
  name: 'studio', tongue: studioSocket, begin: beginning(studioSocket),
  lists: async (at, user) => (await get(at, user, '/api/chat/conversations')).map((conversation: Json) => conversation.id),
  show: async (at, user, id) =>
    (await get(at, user, `/api/chat/conversations/${id}/messages`)).map((message: Json) => {
      const made = message.role === 'assistant';
      return {
        role: message.role, text: message.content, at: Date.parse(message.created_at),
        // Its own form has 0 for what no model made.
        tokens: made ? message.tokens_used : null, dollars: made ? message.cost : null, model: made ? message.metadata.model_used : null,
      };
    }),
};

const ultimate: View = {
  name: 'ultimate', tongue: inSpokenModel(ultimateSocket), begin: beginning(inSpokenModel(ultimateSocket)),
  lists: async (at, user) => (await get(at, user, '/api/ai/conversations?limit=100')).conversations.map((conversation: Json) => conversation.id),
  show: async (at, user, id) =>
    (await get(at, user, `/api/ai/conversations/${id}`)).conversation.messages.map((message: Json) => ({ role: message.role, text: message.content, wholeAt: Date.parse(message.timestamp) })),
};

/** Clients of /v1 bring the history along: the same history is the same conversation. */
async function completion(at: Server, user: TestUser, messages: Json[], text: string): Promise<Json> {
  const { json } = await sendRequest(at.url, 'POST', '/v1/chat/completions', { as: user, body: { model: spoken.id, store: true, messages: [...messages, { role: 'user', content: text }] } });
  return json;
}

const views = [arketic, friend, studio, ultimate];

/** Every way to go on with a conversation that streams or tells its end. */
const goingOn = [arketicSocket, friendEvents, friendSocket, studioSocket, ultimateRest, ultimateSocket, ultimatePlain];

describe.each([1, 2] as const)('One conversation in all dialects, on %i instances', (instances) => {
  const runs = instances === 1 || (process.env['DATABASE_URL_TEST'] && process.env['REDIS_URL_TEST']);
  describe.skipIf(!runs)('made in one', () => {
    let world: DialectWorld;
    let ann: TestUser;
    beforeAll(async () => {
      world = await startDialectWorld(instances);
      ann = await world.user('ann');
    });
    afterAll(() => world.stop());

    /** Every view shows the same: order, texts, times, and the figures that it has. */
    async function expectAlike(id: string): Promise<Shown[]> {
      const whole = await arketic.show(world.here, ann, id);
      for (const view of views) {
        const shown = await view.show(world.there, ann, id);
        expect(shown, view.name).toEqual(whole.map((message) => Object.fromEntries(Object.entries(message).filter(([field]) => field in shown[0]!))));
        expect(await view.lists(world.there, ann), view.name).toContain(id);
      }
      return whole;
    }

    it.each(views)('$name, it is listed, continued and streamed in every other, with equal content, order and figures', async (maker) => {
      world.standIn.next({ pieces: ['To ', maker.name], usage: { tokensIn: 100, tokensOut: 20 } });
      const id = await maker.begin(world.here, ann, `Begun in ${maker.name}`);
      let said = 2;
      for (const other of goingOn) {
        const asked = world.standIn.next({ pieces: ['Going ', 'on ', `in ${other.name}`], usage: { tokensIn: 200, tokensOut: 30 } });
        const client = await other.open(world.there, ann, id);
        const answer = await (await client.say(`Continued in ${other.name} over ${other.transport}`)).end;
        client.close();
        expect(answer).toEqual({ status: 'whole', text: `Going on in ${other.name}` });
        // The model hears everything that was said before, in whatever dialect.
        expect((await asked.request).body.messages!.filter(({ role }) => role !== 'system')).toHaveLength(said + 1);
        said += 2;
      }
      const whole = await expectAlike(id);
      expect(whole).toHaveLength(2 + 2 * goingOn.length);
      expect(whole[1]).toMatchObject({ role: 'assistant', text: `To ${maker.name}`, tokens: 120, model: spoken.name });
      expect(whole.slice(2).filter(({ role }) => role === 'assistant').every(({ tokens, dollars }) => tokens === 230 && dollars! > 0)).toBe(true);
    });

    it('the OpenAI dialect, it is listed and continued in every other, and its own history leads back into it', async () => {
      world.standIn.next({ pieces: ['Kept'], usage: { tokensIn: 10, tokensOut: 1 } });
      const first = await completion(world.here, ann, [], 'Begun by a program');
      const message = await world.here.parts.conversations.message(await viewer(), first.id.replace('chatcmpl-', ''));
      const id = message.conversationId;
      for (const view of views) {
        world.standIn.next({ pieces: ['From ', view.name], usage: { tokensIn: 40, tokensOut: 2 } });
        const client = await view.tongue.open(world.there, ann, id);
        await (await client.say(`Hello from ${view.name}`)).end;
        client.close();
      }
      const before = await expectAlike(id);
      world.standIn.next({ pieces: ['Back'], usage: { tokensIn: 90, tokensOut: 1 } });
      const again = await completion(world.there, ann, before.map(({ role, text }) => ({ role, content: text })), 'And back again');
      expect(again.choices[0].message.content).toBe('Back');
      const after = await expectAlike(id);
      expect(after.slice(-2).map(({ role, text }) => [role, text])).toEqual([['user', 'And back again'], ['assistant', 'Back']]);
      expect(after.at(-1)).toMatchObject({ tokens: again.usage.total_tokens });
      const listed = await get(world.here, ann, `/v1/chat/completions/${again.id}/messages`);
      expect(listed.data.map(({ role, content }: Json) => [role, content])).toEqual(after.slice(0, -1).map(({ role, text }) => [role, text]));
    });

    it('one dialect, what is sent in it is heard at once by the open sockets of the others', async () => {
      const id = await arketic.begin(world.here, ann, 'Listen');
      const clients = await Promise.all([arketicSocket, studioSocket, ultimateSocket, ultimatePlain].map((tongue) => tongue.open(world.there, ann, id)));
      const gate = world.standIn.next({ pieces: ['Heard ', 'everywhere'], gated: true });
      const sender = await friendSocket.open(world.here, ann, id);
      const answer = await sender.say('To everybody');
      gate.release();
      await expect.poll(() => answer.pieces.length).toBeGreaterThan(0);
      const newest = (await get(world.here, ann, `/api/v1/chat/chats/${id}?include=branches`)).messages.at(-1);
      const heard = await Promise.all(clients.map((client) => client.hear!({ conversationId: id, answerId: newest.id, place: 0 })));
      gate.release(Infinity);
      for (const { end } of heard) expect(await end).toEqual({ status: 'whole', text: 'Heard everywhere' });
      for (const client of [...clients, sender]) client.close();
    });

    it('agent-chat, it is listed and shown in every other, which hear its replies grow and speak into it', async () => {
      const id = await agentChatSocket.newConversation(world.here, ann);
      const session = await agentChatSocket.open(world.here, ann, id);
      const clients = await Promise.all([arketicSocket, studioSocket, ultimateSocket, ultimatePlain].map((tongue) => tongue.open(world.there, ann, id)));
      const gate = world.standIn.next({ pieces: ['Told ', 'to all'], gated: true, usage: { tokensIn: 50, tokensOut: 2 } });
      const reply = await session.say('Begun by an agent');
      const asked = await gate.request;
      gate.release();
      await expect.poll(() => asked.piecesSent).toBe(1);
      const newest = (await get(world.here, ann, `/api/v1/chat/chats/${id}?include=branches`)).messages.at(-1);
      const heard = await Promise.all(clients.map((client) => client.hear!({ conversationId: id, answerId: newest.id, place: 0 })));
      gate.release(Infinity);
      for (const { end } of [reply, ...heard]) expect(await end).toEqual({ status: 'whole', text: 'Told to all' });
      for (const client of [...clients, session]) client.close();
      await sendRequest(world.there.url, 'POST', `/api/v1/chat/chats/${id}/messages`, { as: ann, body: { content: 'From the page' } });
      const whole = await expectAlike(id);
      expect(whole.map(({ role, text }) => [role, text])).toEqual([['user', 'Begun by an agent'], ['assistant', 'Told to all'], ['user', 'From the page']]);
      expect(whole[1]).toMatchObject({ tokens: 52, model: spoken.name });
      const { data } = await get(world.there, ann, `/api/agent-chat/sessions/${id}/messages`);
      expect(data.messages.map(({ from, message, timestamp }: Json) => [from, message, Date.parse(timestamp)])).toEqual(whole.map(({ role, text, wholeAt }) => [role === 'user' ? speaker : replier, text, wholeAt]));
    });

    async function viewer() {
      const found = await world.here.parts.accounts.authenticate({ headers: ann.headers, method: 'GET', socket: {} }, { localTrust: false, cookie: false });
      if (!found) throw new Error('Ann is not known');
      return found;
    }
  });
});
