import type { Viewer } from '../../core/accounts/index.ts';
import type { AgentSocket } from './seats.ts';

/** Every socket that has been let in, over either framing: who is told what concerns the server and no conversation. */
export class Audience {
  private readonly sockets = new Set<AgentSocket>();

  /** Sockets that listen now. */
  get size(): number {
    return this.sockets.size;
  }

  add(socket: AgentSocket): void {
    this.sockets.add(socket);
  }

  remove(socket: AgentSocket): void {
    this.sockets.delete(socket);
  }

  /** Tells all that may hear it, once. */
  tell(event: string, payload: Record<string, unknown>, mayHear: (viewer: Viewer) => boolean): void {
    for (const socket of this.sockets) if (socket.isOpen && mayHear(socket.viewer)) socket.emit(event, payload);
  }
}
