import net from 'node:net';

/*
 * Loaded before a peer that would listen on every address of the machine: here it listens on loopback alone.
 */

const listen = net.Server.prototype.listen as (...given: unknown[]) => net.Server;

net.Server.prototype.listen = function listenOnLoopback(this: net.Server, ...given: unknown[]): net.Server {
  const [first] = given;
  const listener = given.findLast((one) => typeof one === 'function');
  if (typeof first === 'number' || typeof first === 'string') return listen.call(this, { port: Number(first), host: '127.0.0.1' }, listener);
  if (typeof first === 'object' && first !== null && 'port' in first) return listen.call(this, { ...first, host: '127.0.0.1' }, listener);
  return listen.apply(this, given);
} as typeof net.Server.prototype.listen;
