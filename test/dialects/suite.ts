import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { sendRequest, type TestUser } from '../../src/dialects/testing.ts';
import type { Case, Client, Tongue } from './tongue.ts';
import { startDialectWorld, type DialectWorld } from './world.ts';

/** Pieces of a long answer, of uneven sizes and more than one byte a character. */
const longAnswer = Array.from({ length: 60 }, (_, index) => `${'wörter 🦜'.slice(0, (index % 6) + 2)}${index} `);

/** Messages that the limits of the suite let through. */
const allowed = 3;

/** The limits of every dialect hold on every transport, and over all instances. */
export function limitSuite(tongues: readonly Tongue[], instances: 1 | 2): void {
  describe(`A limit holds on ${instances === 1 ? 'one instance' : 'two instances'}`, () => {
    let world: DialectWorld;
    beforeAll(async () => {
      world = await startDialectWorld(instances, Object.fromEntries(tongues.map(({ limit }) => [limit, String(allowed)])));
    });
    afterAll(() => world.stop());

    // Each counts its own users: what one may send is counted over all transports, and over some dialects.
    it.each(tongues)('of $name over $transport', async (tongue) => {
      const [ann, ben] = [await world.user(`ann-${tongues.indexOf(tongue)}`), await world.user(`ben-${tongues.indexOf(tongue)}`)];
      const id = await tongue.newConversation(world.here, ann);
      for (let count = 0; count < allowed; count += 1) {
        const client = await tongue.open(count % 2 === 0 ? world.here : world.there, ann, id);
        expect((await (await client.say('Within the limit')).end).status).toBe('whole');
        client.close();
      }
      const sendTo = (tongue.overLimit ?? tongue.refusedToSend).bind(tongue);
      for (const at of [world.here, world.there]) expect([429, 4429, 'rate_limited']).toContain(await sendTo(at, ann.token, ann.username, id));
      expect(await tongue.read(world.here, ann, id)).toHaveLength(2 * allowed);
      const other = await tongue.newConversation(world.there, ben);
      expect(await sendTo(world.there, ben.token, ben.username, other)).toBeNull();
    });
  });
}

/** What every dialect must do over every transport, on one instance or on two. */
export function dialectSuite(tongue: Tongue, instances: 1 | 2): void {
  describe(`${tongue.name} over ${tongue.transport}, on ${instances === 1 ? 'one instance' : 'two instances'}`, () => {
    let world: DialectWorld;
    let ann: TestUser;
    let ben: TestUser;
    const open: Client[] = [];
    beforeAll(async () => {
      world = await startDialectWorld(instances);
      [ann, ben] = [await world.user('ann'), await world.user('ben')];
    });
    afterEach(() => {
      for (const client of open.splice(0)) client.close();
      world.standIn.release(Infinity);
    });
    afterAll(() => world.stop());

    const fits = (name: Case): boolean => tongue.without?.[name] === undefined;
    /** A case that a transport may have a reason to be without: the reason stands in its description. */
    const when = (name: Case, title: string, test: () => Promise<void>): void => {
      if (fits(name)) it(title, test);
    };
    const client = async (conversationId: string, at = world.here, user = ann): Promise<Client> => {
      const opened = await tongue.open(at, user, conversationId);
      open.push(opened);
      return opened;
    };
    const conversation = (): Promise<string> => tongue.newConversation(world.here, ann);

    when('order', 'five quick messages get five answers, in their order', async () => {
      const id = await conversation();
      const speaker = await client(id);
      const words = ['one', 'two', 'three', 'four', 'five'];
      world.standIn.otherwise(({ body }) => ({ pieces: [`Answer to ${body.messages!.at(-1)!.content}`] }));
      const heard = [];
      for (const word of words) heard.push(await speaker.say(word));
      for (const answer of heard) expect((await answer.end).status).toBe('whole');
      const shown = await tongue.read(world.there, ann, id);
      const said = shown.filter(([role]) => role === 'user').map(([, text]) => text);
      // Requests that are sent beside each other may come in any order; each is answered behind its own.
      if (tongue.transport === 'REST' && tongue.name !== 'arketic') said.sort((one, other) => words.indexOf(one) - words.indexOf(other));
      expect(said).toEqual(words);
      for (const [at, [role, text]] of shown.entries()) if (role === 'user') expect(shown[at + 1]).toEqual(['assistant', `Answer to ${text}`]);
    });

    it('tells what history keeps, character by character', async () => {
      const id = await conversation();
      world.standIn.next({ pieces: longAnswer });
      const answer = await (await client(id)).say('At length, please');
      expect(await answer.end).toEqual({ status: 'whole', text: longAnswer.join('') });
      expect((await tongue.read(world.there, ann, id)).at(-1)).toEqual(['assistant', longAnswer.join('')]);
    });

    when('pieces', 'tells a piece before the model has said the next', async () => {
      const gate = world.standIn.next({ pieces: ['First ', 'second ', 'third'], gated: true });
      const answer = await (await client(await conversation())).say('Slowly');
      const request = await gate.request;
      gate.release(2);
      await expect.poll(() => answer.pieces.join('')).toMatch(/^First/);
      expect(request.piecesSent).toBe(2);
      gate.release(Infinity);
      expect((await answer.end).text).toBe('First second third');
    });

    when('attach', 'a second client joins in the middle and gets all of it, on another instance, too', async () => {
      const id = await conversation();
      const gate = world.standIn.next({ pieces: longAnswer, gated: true });
      const first = await (await client(id)).say('Tell everybody');
      gate.release(20);
      if (tongue.streams) await expect.poll(() => first.pieces.length).toBeGreaterThan(0);
      const beginning = tongue.name === 'friend' && tongue.transport === 'SSE' ? first.mark() : { ...first.mark(), place: 0 };
      const before = beginning.place === 0 ? '' : first.pieces.join('');
      const second = await (await client(id, world.there)).hear!(beginning);
      gate.release(20);
      if (tongue.streams) await expect.poll(() => second.pieces.length).toBeGreaterThan(0);
      gate.release(Infinity);
      const [one, two] = await Promise.all([first.end, second.end]);
      expect(before + two.text).toBe(one.text);
      expect(one.text).toBe(longAnswer.join(''));
    });

    when('resume', 'whoever loses the connection goes on where it was: no gap, no repeat', async () => {
      const id = await conversation();
      const gate = world.standIn.next({ pieces: longAnswer, gated: true });
      const first = await (await client(id)).say('Do not lose a word');
      gate.release(10);
      if (tongue.streams) await expect.poll(() => first.pieces.length).toBeGreaterThan(0);
      let [text, mark] = [first.pieces.join(''), first.mark()];
      first.drop();
      for (const [count, at] of [[10, world.there], [10, world.here]] as const) {
        const again = await (await client(id, at)).hear!(mark);
        gate.release(count);
        if (tongue.streams) await expect.poll(() => again.pieces.length).toBeGreaterThan(0);
        [text, mark] = [text + again.pieces.join(''), again.mark()];
        again.drop();
      }
      gate.release(Infinity);
      const last = await (await client(id, world.there)).hear!(mark);
      expect(text + (await last.end).text).toBe(longAnswer.join(''));
    });

    when('cancel', 'cancelling ends the call at the model service, and keeps what was said', async () => {
      const id = await conversation();
      const gate = world.standIn.next({ pieces: ['Kept ', 'never'], gated: true });
      const speaker = await client(id);
      const answer = await speaker.say('Stop me');
      const request = await gate.request;
      gate.release();
      if (tongue.streams) await expect.poll(() => answer.pieces.join('')).toMatch(/^Kept/);
      else await expect.poll(() => request.piecesSent).toBe(1);
      const began = performance.now();
      await (await client(id, world.there)).cancel!(answer.mark());
      await request.aborted;
      expect(performance.now() - began).toBeLessThan(3000);
      expect((await answer.end).status).toBe('cancelled');
      expect((await tongue.read(world.here, ann, id)).at(-1)![1]).toMatch(/^Kept/);
    });

    when('slow', 'a slow client holds up nobody, and loses nothing', async () => {
      const id = await conversation();
      const pieces = Array.from({ length: 300 }, (_, index) => `${index} ${'many words '.repeat(90)}`);
      const gate = world.standIn.next({ pieces, gated: true });
      const [slow, fast] = [await client(id, world.here), await client(id, world.there)];
      const held = await slow.say('A flood, please');
      const request = await gate.request;
      gate.release();
      await expect.poll(() => held.pieces.length).toBeGreaterThan(0);
      const mark = tongue.name === 'friend' && tongue.transport === 'SSE' ? held.mark() : { ...held.mark(), place: 0 };
      const before = mark.place === 0 ? '' : held.pieces.join('');
      const quick = fits('attach') ? await fast.hear!(mark) : null;
      held.hold();
      gate.release(Infinity);
      await request.over;
      if (quick) expect(before + (await quick.end).text).toBe(pieces.join(''));
      await expect.poll(async () => (await tongue.read(world.there, ann, id)).at(-1)![1].length).toBe(pieces.join('').length);
      held.release();
      expect((await held.end).text).toBe(pieces.join(''));
    });

    it('nobody gets in without a credential, with a forged one, or with one that was revoked', async () => {
      const id = await conversation();
      const { json } = await sendRequest(world.here.url, 'POST', '/api/auth/login', { body: { username: ann.username, password: ann.password } });
      const revoked: string = json.access_token;
      await sendRequest(world.there.url, 'POST', '/api/auth/logout', { headers: { authorization: `Bearer ${revoked}` } });
      const [head, body] = ann.token.split('.');
      const forged = [`${head}.${body}.${'A'.repeat(43)}`, `${Buffer.from('{"alg":"none","typ":"JWT"}').toString('base64url')}.${body}.`];
      for (const token of [null, 'no token at all', revoked, ...forged]) {
        expect([401, 4401, 'unauthorized'], `with ${token?.slice(0, 20)}`).toContain(await tongue.refusedToSend(world.here, token, ann.username, id));
      }
      expect((await tongue.read(world.here, ann, id)).length).toBe(0);
    });

    it('nobody sends into, hears or stops what is somebody else’s', async () => {
      const id = await conversation();
      const gate = world.standIn.next({ pieces: ['A secret ', 'of Ann'], gated: true });
      const answer = await (await client(id)).say('Between us');
      await gate.request;
      gate.release();
      if (tongue.streams) await expect.poll(() => answer.pieces.length).toBeGreaterThan(0);
      const mark = { ...answer.mark(), conversationId: id };
      const refused = [403, 404, 4403, 'forbidden', 'not_found'];
      for (const at of [world.here, world.there]) {
        expect(refused).toContain(await tongue.refusedToSend(at, ben.token, ben.username, id));
        expect(refused).toContain(await tongue.refusedToHear(at, ben, mark));
        if (tongue.refusedToCancel && fits('cancel')) expect(refused).toContain(await tongue.refusedToCancel(at, ben, mark));
      }
      gate.release(Infinity);
      expect(await answer.end).toEqual({ status: 'whole', text: 'A secret of Ann' });
    });

    it('what is no valid message is refused one by one, and the next valid one is answered', async () => {
      const id = await conversation();
      const refusals = await tongue.malformed(world.here, ann, id);
      expect(refusals.length).toBeGreaterThan(2);
      expect(refusals.filter((refusal) => refusal === null)).toEqual([]);
      expect(await tongue.read(world.here, ann, id)).toEqual([]);
      world.standIn.next({ pieces: ['Still here'] });
      expect((await (await (await client(id)).say('And now?')).end).text).toBe('Still here');
    });

    when('revoked', 'a client whose token is revoked hears nothing more, wherever that happens', async () => {
      const { json } = await sendRequest(world.here.url, 'POST', '/api/auth/login', { body: { username: ann.username, password: ann.password } });
      const visitor: TestUser = { ...ann, token: json.access_token, headers: { authorization: `Bearer ${json.access_token}` } };
      const id = await conversation();
      const gate = world.standIn.next({ pieces: ['Before ', 'after'], gated: true });
      const answer = await (await client(id, world.here, visitor)).say('Until I go');
      await gate.request;
      gate.release();
      if (tongue.streams) await expect.poll(() => answer.pieces.join('')).toMatch(/^Before/);
      await sendRequest(world.there.url, 'POST', '/api/auth/logout', { as: visitor });
      const outcome = await Promise.race([answer.end.then(({ status }) => status, () => 'closed'), new Promise((resolve) => setTimeout(() => resolve('still open'), 5000).unref())]);
      expect(['closed', 'failed']).toContain(outcome);
      gate.release(Infinity);
      await expect.poll(async () => (await tongue.read(world.here, ann, id)).at(-1)).toEqual(['assistant', 'Before after']);
      expect(answer.pieces.join('')).not.toContain('after');
    });
  });
}
