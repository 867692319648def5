import type { Verdict } from './verifier.ts';

/** How bad it is: nothing wrong, wrong, or not decided. */
export type Tone = 'good' | 'bad' | 'open';

/** Each verdict in a line, for a person. */
export const verdicts: Record<Verdict, { title: string; tone: Tone }> = {
  valid: { title: 'Genuine: nothing in it was changed', tone: 'good' },
  malformed: { title: 'This is no whole transcript', tone: 'bad' },
  bad_signature: { title: 'The seal itself was changed', tone: 'bad' },
  unknown_key: { title: 'Signed by a key that nobody here vouches for', tone: 'bad' },
  wrong_session: { title: 'The records are those of another session', tone: 'bad' },
  altered: { title: 'A message was changed', tone: 'bad' },
  removed: { title: 'A message was taken out', tone: 'bad' },
  truncated: { title: 'The end is missing', tone: 'bad' },
  added: { title: 'A message was put in', tone: 'bad' },
  reordered: { title: 'The messages stand in another order', tone: 'bad' },
  bad_chain: { title: 'The hashes were edited', tone: 'bad' },
  replayed: { title: 'Genuine, but of another session', tone: 'bad' },
  wrong_log: { title: 'It was entered in another log', tone: 'bad' },
  bad_log_head: { title: 'The head of the log is not signed by a trusted key', tone: 'bad' },
  not_in_log: { title: 'It does not stand in the log', tone: 'bad' },
  forked: { title: 'There are two versions, both signed', tone: 'bad' },
  no_common_head: { title: 'The noted head cannot be compared with this file', tone: 'open' },
  key_out_of_time: { title: 'Signed with a key that was not in use then', tone: 'bad' },
  clock: { title: 'Nothing was changed, but the times contradict each other', tone: 'open' },
};

/** What happened at a place, as a mark beside it. */
export const marks = { altered: 'changed', removed: 'taken out here', truncated: 'the end is missing from here on', added: 'put in', reordered: 'stands in another place than it was sealed in' } as const;
