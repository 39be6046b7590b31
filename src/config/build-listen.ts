// On which ports a service listens beside its own, and whom it lets in there.

import type { VirtualService } from './model.ts';
import type { Surroundings } from './surroundings.ts';
import type { ServiceSettings } from './vocabulary/file.ts';

type Listening = Pick<VirtualService, 'extraPorts' | 'acceptProxyProtocol' | 'clientConnsLimit'>;

export function buildListening(
  { port, extraPorts, acceptProxyProtocol, clientConnsLimit }: ServiceSettings,
  { trustsProxies, report }: Pick<Surroundings, 'trustsProxies' | 'report'>
): Listening {
  if (extraPorts?.value !== undefined && port?.value !== undefined) {
    if (extraPorts.value.includes(port.value)) {
      const message = `${port.value} is the port of the service itself; leave it out`;
      report(extraPorts.place, extraPorts.path, message);
    }
  }
  if (acceptProxyProtocol?.value === true && !trustsProxies) {
    const message = 'whose PROXY headers are believed is not said; add trustedProxies under global';
    report(acceptProxyProtocol.place, acceptProxyProtocol.path, message);
  }
  return {
    extraPorts: extraPorts?.value ?? [],
    acceptProxyProtocol: acceptProxyProtocol?.value ?? false,
    clientConnsLimit: clientConnsLimit?.value ?? 0
  };
}
