import type { Namespace, Socket } from 'socket.io';
import { textFrame } from '../sockets/sending.ts';

/** What Engine.IO calls a message that is text, in front of the packet of Socket.IO. */
const messageType = '4';

/**
 * Lets what goes to many connections be one frame in one piece, made once. By itself Socket.IO makes it once, too, but as head and
 * payload, which every connection hands to the system as two: that costs about a tenth more for each receiver.
 */
export function sendWholeFrames({ adapter, name }: Namespace): void {
  const broadcast = adapter.broadcast.bind(adapter);
  adapter.broadcast = (packet, receivers) => {
    packet.nsp = name;
    const encoded: unknown[] = adapter['encoder'].encode(packet);
    const [text] = encoded;
    // With bytes in it a packet is several messages.
    if (encoded.length > 1 || typeof text !== 'string') return broadcast(packet, receivers);
    const { volatile, compress } = receivers.flags ?? {};
    // Connections that poll pass the frame over and take the text.
    const options = { preEncoded: true, volatile, compress, wsPreEncodedFrame: [textFrame(messageType + text)] };
    adapter['apply'](receivers, (socket: Socket) => socket.client['writeToEngine'](text, options));
  };
}
