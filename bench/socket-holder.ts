import net from 'node:net';

/*
 * Holds idle WebSockets, in a process of its own, with as little as it takes: the handshake by hand (RFC 6455, section 4.1),
 * and what comes is thrown away. Asked by messages of its parent.
 */

export interface HoldRequest {
  port: number;
  path: string;
  headers: Record<string, string>;
  /** Sockets to open. */
  count: number;
  /** Source addresses to open them from, in turn: each has its own range of ports. */
  from: string[];
  /** Bytes of the server behind the handshake that say that a socket is ready; 0 when nothing is said. */
  welcomeBytes: number;
}

/** Handshakes under way at a time. */
const together = 50;
/** Milliseconds for one handshake. */
const patienceMs = 30_000;

const held: net.Socket[] = [];

function open({ port, path, headers, from, welcomeBytes }: HoldRequest, index: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host: '127.0.0.1', port, localAddress: from[index % from.length]! });
    const timer = setTimeout(() => reject(new Error(`socket ${index} was not opened in time`)), patienceMs);
    const lines = { host: `127.0.0.1:${port}`, connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==', ...headers };
    let head = '';
    socket.on('connect', () => socket.write(`GET ${path} HTTP/1.1\r\n${Object.entries(lines).map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`));
    socket.on('data', (data) => {
      if (head === 'done') return;
      head += data.toString('latin1');
      const end = head.indexOf('\r\n\r\n');
      if (end < 0 || head.length - end - 4 < welcomeBytes) return;
      clearTimeout(timer);
      if (!head.startsWith('HTTP/1.1 101')) return reject(new Error(`socket ${index} was refused: ${head.slice(0, 200)}`));
      head = 'done';
      held.push(socket);
      resolve();
    });
    socket.on('error', reject);
    socket.on('close', () => reject(new Error(`socket ${index} was closed: ${head.slice(0, 300)}`)));
  });
}

process.on('message', (request: HoldRequest | 'close') => {
  if (request === 'close') {
    for (const socket of held.splice(0)) socket.removeAllListeners('close').destroy();
    process.send!({ open: 0 });
    return;
  }
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < request.count) await open(request, next++);
  };
  Promise.all(Array.from({ length: together }, work)).then(
    () => process.send!({ open: held.filter((socket) => !socket.destroyed).length }),
    (error: unknown) => process.send!({ failure: String(error) }),
  );
});
process.on('disconnect', () => process.exit(0));
