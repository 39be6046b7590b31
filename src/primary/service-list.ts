// All that answers requests, in one list: virtual services and their SubVSs, each with its servers.

import type { Configuration, RealServer, Service, VirtualService } from '../config/model.ts';

export interface ListedService {
  /** `service` or `service/SubVS`, as in a worker's report. */
  readonly fullName: string;
  readonly virtualService: VirtualService;
  /** Empty for a virtual service itself. */
  readonly subVSName: string;
  readonly service: Service;
  /** The sorry server last. */
  readonly servers: readonly RealServer[];
}

export function listServices({ virtualServices }: Configuration): ListedService[] {
  return virtualServices.flatMap((virtualService) => [
    listed(virtualService, virtualService, ''),
    ...virtualService.subVSs.map((subVS) => listed(virtualService, subVS, subVS.name))
  ]);
}

function listed(
  virtualService: VirtualService,
  service: Service,
  subVSName: string
): ListedService {
  const { realServers, standby } = service;
  return {
    fullName: subVSName === '' ? virtualService.name : `${virtualService.name}/${subVSName}`,
    virtualService,
    subVSName,
    service,
    servers: standby === undefined ? realServers : [...realServers, standby]
  };
}
