import { agentChatSocket } from './agent-chat.ts';
import { arketicEvents, arketicRest, arketicSocket } from './arketic.ts';
import { friendEvents, friendRest, friendSocket } from './friend.ts';
import { studioRest, studioSocket } from './studio.ts';
import { ultimatePlain, ultimateRest, ultimateSocket } from './ultimate.ts';
import type { Tongue } from './tongue.ts';

/** Every dialect over every transport it has. */
export const tongues: readonly Tongue[] = [
  arketicRest, arketicEvents, arketicSocket, friendRest, friendEvents, friendSocket, studioRest, studioSocket,
  ultimateRest, ultimateSocket, ultimatePlain, agentChatSocket,
];
