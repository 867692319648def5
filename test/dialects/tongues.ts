import { arketicEvents, arketicRest, arketicSocket } from './arketic.ts';
import { friendEvents, friendRest, friendSocket } from './friend.ts';
import { studioRest, studioSocket } from './studio.ts';
import type { Tongue } from './tongue.ts';

/** Every dialect over every transport it has. */
export const tongues: readonly Tongue[] = [arketicRest, arketicEvents, arketicSocket, friendRest, friendEvents, friendSocket, studioRest, studioSocket];
