import { isoTime } from '../../base/clock.ts';
import { databaseWorks, viewerFrom, type DialectParts, type DialectScope } from '../shared/index.ts';
import { connectionAnswer, servicesAnswer, statsAnswer } from './langchain-schemas.ts';
import { breakerShape, connectionsShape, healthShape } from './langchain-shapes.ts';

/** How the chat system is: open sockets, services, and a test of the connection. */
export function registerStatus(scope: DialectScope, parts: DialectParts): void {
  const { clock, langchain, presence, storage } = parts;
  scope.get('/api/v1/chat/stats', { schema: { summary: 'Open sockets by chat', response: { 200: statsAnswer } } }, async (request) => {
    const [works, sockets] = await Promise.all([databaseWorks(storage), presence.openSockets(viewerFrom(request))]);
    return { websocket_connections: connectionsShape(sockets), system_status: works ? ('operational' as const) : ('degraded' as const), timestamp: isoTime(clock.now()) };
  });
  scope.get('/api/v1/chat/services/status', { schema: { summary: 'How every service of the chat system is', response: { 200: servicesAnswer } } }, async (request) => {
    const viewer = viewerFrom(request);
    const [health, direct, sockets] = await Promise.all([langchain.health(viewer), langchain.directState(viewer), presence.openSockets(viewer)]);
    const { circuitBreaker, fallback, streaming, healthChecks } = health.features;
    return {
      success: true as const,
      message: 'Services status check completed',
      data: {
        langchain_service: { health: healthShape(health), circuit_breaker: breakerShape(health.breaker), base_url: health.url },
        // Sockets are taken as long as requests are: this one was.
        websocket_manager: { status: 'operational' as const, connections: connectionsShape(sockets) },
        fallback_services: { direct_openai: { status: direct, description: 'Direct OpenAI API integration for fallback' } },
        integration_features: {
          circuit_breaker: flagShape(circuitBreaker), automatic_fallback: flagShape(fallback), streaming_support: flagShape(streaming), health_monitoring: flagShape(healthChecks),
        },
      },
      timestamp: isoTime(clock.now()),
    };
  });
  scope.post('/api/v1/chat/test/connection', { schema: { summary: 'Tries the database and the LangChain service', response: { 200: connectionAnswer } } }, async (request) => {
    const viewer = viewerFrom(request);
    const began = clock.monotonic();
    const [works, health, sockets] = await Promise.all([databaseWorks(storage), langchain.health(viewer), presence.openSockets(viewer)]);
    return {
      success: works,
      message: 'Connection test completed',
      data: {
        user_id: viewer.userId,
        username: viewer.username,
        database: works ? ('ok' as const) : ('unavailable' as const),
        langchain_service: health.status,
        open_websockets: sockets.own,
        latency_ms: Math.round((clock.monotonic() - began) * 100) / 100,
      },
      timestamp: isoTime(clock.now()),
    };
  });
}

function flagShape(isOn: boolean): 'enabled' | 'disabled' {
  return isOn ? 'enabled' : 'disabled';
}
