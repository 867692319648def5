import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** A proxy that knows nothing of sessions: every connection goes to the next server, or the one after it when that does not answer. */
export interface Proxy {
  address: string;
  /** Connections that each server got, by address. */
  counts: Map<string, number>;
  /** Breaks the connections to a server, as a proxy does that finds it dead. */
  cut(address: string): void;
  close(): Promise<void>;
}

/** @param addresses where the servers are now; asked for every connection */
export async function startProxy(addresses: () => readonly string[]): Promise<Proxy> {
  const counts = new Map<string, number>();
  const open = new Set<Socket>();
  const servers = new Map<Socket, string>();
  let turn = 0;
  const forward = (client: Socket, tries: number): void => {
    const all = addresses();
    if (tries === 0 || all.length === 0) return void client.destroy();
    const address = all[turn++ % all.length]!;
    const { hostname, port } = new URL(address);
    const server = connect(Number(port), hostname);
    open.add(server);
    servers.set(server, address);
    server.once('close', () => {
      open.delete(server);
      servers.delete(server);
    });
    server.once('error', () => forward(client, tries - 1));
    server.once('connect', () => {
      counts.set(address, (counts.get(address) ?? 0) + 1);
      server.removeAllListeners('error').on('error', () => client.destroy()).on('close', () => client.destroy());
      client.on('close', () => server.destroy());
      client.pipe(server).pipe(client);
    });
  };
  const listener = createServer((client) => {
    open.add(client);
    client.on('close', () => open.delete(client)).on('error', () => client.destroy());
    forward(client, addresses().length);
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  return {
    address: `http://127.0.0.1:${(listener.address() as AddressInfo).port}`,
    counts,
    cut(address) {
      for (const [socket, to] of servers) if (to === address) socket.destroy();
    },
    async close() {
      const closed = new Promise<void>((resolve) => listener.close(() => resolve()));
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}
