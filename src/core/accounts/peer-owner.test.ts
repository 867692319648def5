import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { createPeerLookup } from './peer-owner.ts';
import type { PeerSocket } from './types.ts';

const onLinux = process.platform === 'linux';
const kernel = createPeerLookup();

describe("the kernel's socket tables", () => {
  const socket = { remoteAddress: '127.0.0.1', remotePort: 0xca70, localAddress: '127.0.0.1', localPort: 0xa15f };
  const row = (userId: number, inode: number) =>
    `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n` +
    `   2: 0100007F:A15F 0100007F:CA70 01 00000000:00000000 00:00000000 00000000     0        0 17430 1 00000000a2280b9a 20 0 0 10 -1\n` +
    `   3: 0100007F:CA70 0100007F:A15F 01 00000000:00000000 00:00000000 00000000 ${userId}        0 ${inode} 2 0000000005bebd66 20 0 0 10 -1\n`;
  /** What a kernel with these tables says of a peer, asked both ways. */
  const holder = async (peer: PeerSocket, tables: { tcp?: string; tcp6?: string }): Promise<number | null> => {
    const lookup = createPeerLookup({ now: (table) => tables[table] ?? '', later: async (table) => tables[table] ?? '' });
    const [now, later] = [lookup.ofPeer(peer), await lookup.ofPeerLater(peer)];
    expect(later).toBe(now);
    return now;
  };

  it.runIf(onLinux)("name the user at the peer's end, not at ours", async () => {
    expect(await holder(socket, { tcp: row(1000, 17429) })).toBe(1000);
  });

  it.runIf(onLinux)('show closed sockets as those of root on older kernels; they are not believed', async () => {
    expect(await holder(socket, { tcp: row(0, 0) })).toBeNull();
  });

  it.runIf(onLinux)('may hold an IPv4 connection of the client under IPv6', async () => {
    const line = ' 0: 0000000000000000FFFF00000100007F:CA70 0000000000000000FFFF00000100007F:A15F 01 0:0 0:0 0 1000 0 17429 2';
    expect(await holder(socket, { tcp6: line })).toBe(1000);
    const version6 = ' 0: 00000000000000000000000001000000:CA70 00000000000000000000000001000000:A15F 01 0:0 0:0 0 1000 0 17429 2';
    expect(await holder({ ...socket, remoteAddress: '::1', localAddress: '::1' }, { tcp6: version6 })).toBe(1000);
  });

  it('that cannot be read, are cut or lack the connection name nobody', async () => {
    for (const text of ['', row(1000, 5).slice(0, 250), row(1000, 5).replace('CA70 0100007F:A15F', 'CA71 0100007F:A15F').replace('7F:CA70', '7F:CA71')]) {
      expect(await holder(socket, { tcp: text })).toBeNull();
    }
    expect(await holder({}, { tcp: row(1000, 5) })).toBeNull();
  });

  it.runIf(onLinux)('are read once for all who ask before the reading begins, and again for who asks later', async () => {
    const readings: ((text: string) => void)[] = [];
    const lookup = createPeerLookup({ now: () => '', later: () => new Promise((resolve) => readings.push(resolve)) });
    const first = [lookup.ofPeerLater(socket), lookup.ofPeerLater(socket)];
    await setImmediate();
    expect(readings).toHaveLength(1);
    const later = [lookup.ofPeerLater(socket), lookup.ofPeerLater(socket)];
    await setImmediate();
    expect(readings).toHaveLength(1);

    readings[0]!(row(1000, 5));
    expect(await Promise.all(first)).toEqual([1000, 1000]);
    await setImmediate();
    expect(readings).toHaveLength(2);
    readings[1]!(row(2000, 5));
    expect(await Promise.all(later)).toEqual([2000, 2000]);
  });
});

describe.runIf(onLinux)('the kernel itself', () => {
  let server: Server | undefined;
  afterEach(() => server?.close());

  async function start(options: { allowHalfOpen?: boolean } = {}): Promise<{ port: number; connection: Promise<Socket> }> {
    const started = createServer(options);
    server = started;
    await new Promise<void>((resolve) => started.listen(0, '127.0.0.1', resolve));
    return { port: (started.address() as AddressInfo).port, connection: new Promise((resolve) => started.on('connection', resolve)) };
  }

  it('does not count a socket that its process has closed already, because nobody holds it any more', async () => {
    const { port, connection } = await start({ allowHalfOpen: true });
    const script = `const socket = require('node:net').connect(${port}, '127.0.0.1', () => socket.end('GET / HTTP/1.1\\r\\n\\r\\n', () => process.exit()));`;
    const child = spawn(process.execPath, ['-e', script], { stdio: 'ignore' });
    const gone = new Promise((resolve) => child.on('exit', resolve));
    const socket = await connection;
    await gone;

    const port16 = socket.remotePort!.toString(16).toUpperCase().padStart(4, '0');
    const row = readFileSync('/proc/net/tcp', 'latin1').split('\n').find((line) => line.includes(`: 0100007F:${port16} `));
    expect(row!.trim().split(/\s+/)[9]).toBe('0');
    expect(kernel.ofPeer(socket)).toBeNull();
    expect(await kernel.ofPeerLater(socket)).toBeNull();
    socket.destroy();
  });

  it('knows the owner of both ends of a connection of our own', async () => {
    const { port, connection } = await start();
    const client = connect(port, '127.0.0.1');
    const [socket] = await Promise.all([connection, new Promise((resolve) => client.on('connect', resolve))]);
    for (const end of [socket, client]) {
      expect(kernel.ofPeer(end)).toBe(process.geteuid!());
      expect(await kernel.ofPeerLater(end)).toBe(process.geteuid!());
    }
    const { remoteAddress, localAddress, localPort } = client;
    expect(kernel.ofPeer({ remoteAddress, remotePort: 1, localAddress, localPort })).toBeNull();
    client.destroy();
    socket.destroy();
  });
});
