import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { asParleyError } from '../../../base/errors.ts';
import { openTestStorage, engines, type TestStorage } from '../../../base/storage/testing.ts';
import { whitePng } from '../../../../test/stand-in/index.ts';
import type { Viewer } from '../../accounts/index.ts';
import type { ContentPart, ModelMessage } from '../../models/index.ts';
import { addViewer, onePixel, readToEnd, startConversations } from '../testing.ts';
import type { Conversations } from '../contract.ts';
import type { Message } from '../types.ts';

const options = { dialect: 'test' };
const page = { limit: 50, offset: 0 };
const elsewhere = 'https://pictures.example/cat.png';
const dataUrl = (bytes: Buffer): string => `data:image/png;base64,${bytes.toString('base64')}`;
const text = (words: string): ContentPart => ({ type: 'text', text: words });
const image = (url: string, detail?: 'low'): ContentPart => ({ type: 'image', url, ...(detail ? { detail } : {}) });
const codeOf = (promise: Promise<unknown>): Promise<string> => promise.then(() => 'fine', (thrown: unknown) => asParleyError(thrown).code);

describe.each(engines)('pictures of messages on %s', (engine) => {
  let store: TestStorage;
  let house: Awaited<ReturnType<typeof startConversations>>;
  let conversations: Conversations;
  let ann: Viewer;
  let bob: Viewer;
  let chat: string;

  beforeEach(async () => {
    store = await openTestStorage(engine);
    ann = await addViewer(store.storage, 'ann');
    bob = await addViewer(store.storage, 'bob', 'admin');
    house = await startConversations(store.storage);
    conversations = house.conversations;
    house.models.answerWith(['fine']);
    chat = (await conversations.create(ann, { origin: 'test' })).id;
  });
  afterEach(async () => {
    await house.stop();
    await store.close();
  });

  const follow = (id: string) => readToEnd(conversations.attach(ann, id, 0, new AbortController().signal));
  /** The messages that the model was asked with the last time. */
  const asked = (): ModelMessage[] => house.models.calls.at(-1)!.request.messages;
  const contentOf = (parts: readonly ContentPart[]): string => parts.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('\n');
  async function show(...parts: ContentPart[]): Promise<Message> {
    const sent = await conversations.send(ann, chat, { content: contentOf(parts), parts, ...options });
    await follow(sent.answer!.id);
    return sent.userMessage;
  }
  const rows = async (): Promise<number> => (await store.storage.read.selectFrom('message_pictures').select('position').execute()).length;

  test('reach the model as they were sent, in their order, then and with every later question', async () => {
    const parts = [text('Compare'), image(onePixel, 'low'), text('with'), image(elsewhere), text('please')];
    await show(...parts);
    expect(asked()).toEqual([{ role: 'user', content: 'Compare\nwith\nplease', parts }]);
    await conversations.send(ann, chat, { content: 'And now?', ...options }).then((sent) => follow(sent.answer!.id));
    expect(asked()).toMatchObject([{ role: 'user', parts }, { role: 'assistant', content: 'fine' }, { role: 'user', content: 'And now?' }]);
    expect(asked()[2]).not.toHaveProperty('parts');
  });

  test('are told with their message, and read one by one', async () => {
    const sent = await show(image(onePixel), text('What is this?'), image(elsewhere));
    const kept = { type: 'image/png', bytes: 70, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) as string, url: null, detail: null, offset: 0 };
    const [first, second] = [kept, { type: null, bytes: null, sha256: null, url: elsewhere, detail: null, offset: 13 }];
    expect(sent).toMatchObject({ pictures: [first, second], metadata: null });
    const [listed] = await conversations.messages(ann, chat, page);
    expect(listed).toMatchObject({ pictures: [first, second], metadata: null });
    expect(await conversations.picture(ann, sent.id, 0)).toEqual({ type: 'image/png', base64: onePixel.split(',')[1] });
    expect(await conversations.partsOf(ann, sent)).toEqual([image(onePixel), text('What is this?'), image(elsewhere)]);
    for (const position of [1, 2, -1, 0.5]) expect(await codeOf(conversations.picture(ann, sent.id, position))).toBe('not_found');
  });

  test('are nobody else\'s', async () => {
    const sent = await show(image(onePixel));
    expect(['forbidden', 'not_found']).toContain(await codeOf(conversations.picture(bob, sent.id, 0)));
    expect(['forbidden', 'not_found']).toContain(await codeOf(conversations.partsOf(bob, sent)));
  });

  test('may be sent by those who may upload, and by no others', async () => {
    const group = (await conversations.create(ann, { type: 'GROUP', origin: 'test' })).id;
    await conversations.join(bob, group);
    const send = (viewer: Viewer, more: object) => conversations.send(viewer, group, { content: 'Look', answer: false, ...options, ...more });
    const pictured = { parts: [text('Look'), image(onePixel)] };
    await send(bob, pictured);
    await conversations.changeParticipant(ann, group, bob.userId, { canUploadFiles: false });
    expect(await codeOf(send(bob, pictured))).toBe('forbidden');
    expect(await codeOf(send(bob, { before: [{ role: 'user', content: 'Look', ...pictured }] }))).toBe('forbidden');
    await send(bob, {});
    await send(ann, pictured);
    expect(await rows()).toBe(2);
  });

  test('may stand without a word, and have their metadata beside them', async () => {
    const sent = await conversations.send(ann, chat, { content: '', parts: [image(onePixel)], metadata: { place: 'Graz', sent_pictures: ['mine'] }, ...options });
    await follow(sent.answer!.id);
    expect(sent.userMessage).toMatchObject({ content: '', metadata: { place: 'Graz' }, pictures: [{ type: 'image/png' }] });
    expect(asked()).toEqual([{ role: 'user', content: '', parts: [image(onePixel)] }]);
  });

  test('cannot be made up by metadata', async () => {
    const sent = await conversations.send(ann, chat, { content: 'Hi', metadata: { sent_pictures: [{ type: null, url: 'https://evil.example/', offset: 0 }] }, ...options });
    expect(sent.userMessage).toMatchObject({ pictures: [] });
  });

  test('stay with a message that is edited, and with an answer that is made again', async () => {
    const sent = await show(text('What is this?'), image(onePixel));
    const edited = await conversations.edit(ann, sent.id, 'Who', options);
    await follow(edited.answer!.id);
    expect(asked()).toEqual([{ role: 'user', content: 'Who', parts: [text('Who'), image(onePixel)] }]);
    expect(await conversations.picture(ann, edited.userMessage.id, 0)).toMatchObject({ type: 'image/png' });
    await follow((await conversations.regenerate(ann, edited.answer!.id, options)).id);
    expect(asked()).toMatchObject([{ parts: [text('Who'), image(onePixel)] }]);
  });

  test('go along with an answer that is gone on with', async () => {
    house.models.answerWith(null);
    const sent = await conversations.send(ann, chat, { content: 'Look', parts: [text('Look'), image(onePixel)], ...options });
    const call = await house.models.call();
    call.text('I see ');
    await conversations.cancel(ann, sent.answer!.id);
    const next = await conversations.continue(ann, sent.answer!.id, options);
    const again = await house.models.call();
    expect(again.request).toMatchObject({ messages: [{ role: 'user', parts: [text('Look'), image(onePixel)] }] });
    again.finish();
    await follow(next.id);
  });

  test('are not read with the messages of a conversation', async () => {
    await show(text('Look'), image(dataUrl(whitePng(64, 64))));
    await store.storage.write((queries) => queries.updateTable('message_pictures').set({ content: 'nobody looks at this' }).execute());
    expect(await conversations.messages(ann, chat, page)).toMatchObject([{ pictures: [{ type: 'image/png' }] }, { content: 'fine' }]);
    expect(JSON.stringify(await conversations.messages(ann, chat, page))).not.toContain('nobody looks');
  });

  test('go with their conversation', async () => {
    await show(image(onePixel), image(dataUrl(whitePng(2, 2))));
    expect(await rows()).toBe(2);
    await conversations.delete(ann, chat);
    expect(await rows()).toBe(0);
  });

  test('belong to a history: with others in their place it is another conversation', async () => {
    const send = async (history: ModelMessage[], content: string) => {
      const sent = await conversations.sendWithHistory(ann, { origin: 'test' }, history, { content, ...options });
      await follow(sent.answer!.id);
      return sent;
    };
    const looked = (url: string): ModelMessage[] => [{ role: 'user', content: 'Look', parts: [text('Look'), image(url)] }, { role: 'assistant', content: 'I see' }];
    const first = await send(looked(onePixel), 'And?');
    expect(asked()).toMatchObject([{ parts: [text('Look'), image(onePixel)] }, { content: 'I see' }, { content: 'And?' }]);
    const answered = [...looked(onePixel), { role: 'user' as const, content: 'And?' }, { role: 'assistant' as const, content: 'fine' }];
    expect((await send(answered, 'More')).conversationId).toBe(first.conversationId);
    const other = [...looked(elsewhere), ...answered.slice(2)];
    expect((await send(other, 'More')).conversationId).not.toBe(first.conversationId);
    const withQuestion = await conversations.sendWithHistory(ann, { origin: 'test' }, [], { content: 'Look', parts: [text('Look'), image(onePixel)], ...options });
    await follow(withQuestion.answer!.id);
    expect((await send([...looked(onePixel).slice(0, 1), { role: 'assistant', content: 'fine' }], 'More')).conversationId).toBe(withQuestion.conversationId);
  });

  test('wait with their question behind another answer, also over a restart', async () => {
    house.models.answerWith(null);
    const first = await conversations.send(ann, chat, { content: 'One', ...options });
    const second = await conversations.send(ann, chat, { content: 'Two', parts: [text('Two'), image(onePixel)], ...options });
    expect(second.answer!.status).toBe('QUEUED');
    const call = await house.models.call();
    call.text('fine');
    call.finish();
    await follow(first.answer!.id);
    const next = await house.models.call();
    expect(next.request.messages.at(-1)).toEqual({ role: 'user', content: 'Two', parts: [text('Two'), image(onePixel)] });
    next.finish();
    await follow(second.answer!.id);
  });

  test('are refused by a model that is known not to see, before anything is stored; those of before become a note', async () => {
    await show(text('Look'), image(onePixel));
    house.models.seesPictures = false;
    const sending = conversations.send(ann, chat, { content: 'x', parts: [text('x'), image(onePixel)], ...options });
    expect(await codeOf(sending)).toBe('unsupported_value');
    expect(await conversations.messages(ann, chat, page)).toHaveLength(2);
    await conversations.send(ann, chat, { content: 'And?', ...options }).then((sent) => follow(sent.answer!.id));
    expect(asked()[0]!.parts).toEqual([text('Look'), text('[A picture was sent here; it is left out.]')]);
    const answer = (await conversations.messages(ann, chat, page))[1]!;
    const again = await conversations.regenerate(ann, answer.id, options);
    await follow(again.id);
    expect((await conversations.message(ann, again.id)).error).toMatchObject({ code: 'unsupported_value' });
  });

  test('go along up to twenty, the newest; notes stand for the others', async () => {
    for (let round = 0; round < 3; round += 1) await show(text(`Round ${round}`), ...Array.from({ length: 8 }, () => image(onePixel)));
    const pictures = asked().filter(({ role }) => role === 'user').map(({ parts }) => parts!.filter((part) => part.type === 'image').length);
    expect(pictures).toEqual([0, 8, 8]);
    expect(asked()[0]!.parts).toHaveLength(9);
  });

  test.each([
    ['more than eight', Array.from({ length: 9 }, () => image(onePixel))],
    ['one of more than 6 MB', [image(dataUrl(Buffer.concat([whitePng(1, 1), Buffer.alloc(6_291_456)])))]],
    ['what is no picture', [image('data:text/html;base64,PGI+')]],
    ['what says that it is one and is not', [image(`data:image/svg+xml;base64,${Buffer.from('<svg/>').toString('base64')}`)]],
    ['a page that calls itself a picture', [image(`data:image/png;base64,${Buffer.from('<script>').toString('base64')}`)]],
    ['what is no base64', [image('data:image/png;base64,iVBORw0KGgo=!')]],
    ['addresses of other kinds', [image('http://pictures.example/cat.png')]],
    ['files', [image('file:///etc/passwd')]],
    ['addresses without end', [image(`https://pictures.example/${'x'.repeat(5000)}`)]],
  ])('%s are refused', async (_what, parts) => {
    expect(await codeOf(conversations.send(ann, chat, { content: 'x', parts: [text('x'), ...parts], ...options }))).toBe('invalid_request');
    expect(await conversations.messages(ann, chat, page)).toEqual([]);
  });
});
