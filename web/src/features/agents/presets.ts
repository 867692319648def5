import type { Limits, NewAgent, NewSession } from './types.ts';

/** The choice that means the server's default model. */
export const defaultModel = 'default';

/** What holds where nothing else is chosen: the server's own defaults. */
export const defaultLimits: Limits = { turns: 100, depth: 6, minutes: 1440, cost: 1 };

/** Least and most of each limit. */
export const limitRanges: Record<keyof Limits, { least: number; most: number; step: number }> = {
  turns: { least: 1, most: 10_000, step: 1 },
  depth: { least: 1, most: 100, step: 1 },
  minutes: { least: 1, most: 43_200, step: 1 },
  cost: { least: 0, most: 1000, step: 0.01 },
};

/** A pair of agents that works as it is, with a first sentence to begin with. */
export interface Preset {
  name: string;
  /** What it is good for, in a line. */
  about: string;
  roles: [NewAgent, NewAgent];
  /** Put into the message field, for a person to send or to change. */
  opening: string;
}

const agent = (number: number, role: string, prompt: string): NewAgent => ({ agentId: `0.0.${number}`, role, model: defaultModel, prompt });

export const presets: readonly Preset[] = [
  {
    name: 'Plan a journey',
    about: 'A traveller and somebody who plans journeys',
    roles: [
      agent(1001, 'traveller', 'You want to travel and know roughly what you like. Answer in two or three sentences, decide when you are given choices, and say when you are content with the plan.'),
      agent(1002, 'travel agent', 'Ask for dates, budget and wishes, one question at a time. Then propose a plan day by day and change it as the traveller asks.'),
    ],
    opening: 'I would like to travel for ten days in spring, and I like mountains and good food. What do you suggest?',
  },
  {
    name: 'Debate',
    about: 'One argues for, the other against',
    roles: [
      agent(1001, 'advocate', 'You argue for the claim under debate. Give one strong argument at a time, answer what was said last, and concede what is right.'),
      agent(1002, 'critic', 'You argue against the claim under debate. Question assumptions, give counter-examples, and concede what is right.'),
    ],
    opening: 'The claim: a small town should close its centre to cars.',
  },
  {
    name: 'Interview',
    about: 'An interviewer and an expert',
    roles: [
      agent(1001, 'interviewer', 'You ask one clear question at a time, follow up on what was said, and ask for examples. You do not lecture.'),
      agent(1002, 'expert', 'You answer from knowledge of the field in a few sentences, with one example, and say what you are not sure of.'),
    ],
    opening: 'How did people navigate at sea before there were clocks that kept time on board?',
  },
  {
    name: 'Review a text',
    about: 'A writer and an editor, in turns',
    roles: [
      agent(1001, 'writer', 'You write and revise a short text. After each remark of the editor, show the whole text anew.'),
      agent(1002, 'editor', 'You read as a demanding editor. Name the one change that helps most, and why. Say when the text is good.'),
    ],
    opening: 'Here is my first draft of an invitation to our street festival: "Come all on Saturday, there is cake."',
  },
];

/** A session of a preset as it is. */
export function sessionOf({ name, roles }: Preset): NewSession {
  return { title: name, agents: [{ ...roles[0] }, { ...roles[1] }], limits: { ...defaultLimits } };
}

/** What the form for a session begins with. */
export function emptySession(): NewSession {
  return { title: '', agents: [agent(1001, '', ''), agent(1002, '', '')], limits: { ...defaultLimits } };
}
