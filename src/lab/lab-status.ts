// What the lab shows of Ballast's /status: a table for a terminal, and lines for each change where
// there is none. Pure.

/** The part of /status that the lab reads. */
export interface LabStatus {
  readonly clients: number;
  readonly requests: number;
  readonly virtualServices: readonly {
    readonly name: string;
    readonly subVSs: readonly {
      readonly name: string;
      readonly realServers: readonly {
        readonly name: string;
        readonly status: string;
        readonly reason: string | null;
        readonly activeConnections: number;
        readonly requests: number;
      }[];
    }[];
  }[];
}

interface Cell {
  readonly service: string;
  readonly subVS: string;
  readonly server: string;
  readonly status: string;
  readonly reason: string | null;
  readonly active: number;
  readonly requests: number;
}

const nameWidth = 14;
const cellWidth = 17;

/** Rows are the SubVSs; a column is one server behind one virtual service. */
export function statusTable(status: LabStatus): string[] {
  const cells = cellsOf(status);
  const columns = [...new Set(cells.map(columnOf))];
  const rows = [...new Set(cells.map(({ subVS }) => subVS))];
  const lines = [
    `${' '.repeat(nameWidth)}${columns.map((column) => column.padEnd(cellWidth)).join(' ')}`,
    ...rows.map((row) => {
      const inRow = columns.map((column) => {
        const cell = cells.find((one) => one.subVS === row && columnOf(one) === column);
        return (cell === undefined ? '' : cellText(cell)).padEnd(cellWidth);
      });
      return `${row.padEnd(nameWidth)}${inRow.join(' ')}`;
    }),
    '',
    `${status.clients} client connections, ${status.requests} requests so far`
  ];
  const reasons = cells
    .filter(({ reason }) => reason !== null)
    .map(({ server, reason }) => `${server}: ${reason}`);
  return [...lines.map((line) => line.trimEnd()), ...[...new Set(reasons)].slice(0, 4)];
}

/** One line for each server and new state, naming the SubVSs that it concerns. */
export function statusChanges(before: LabStatus | undefined, after: LabStatus): string[] {
  const known = new Map(
    before === undefined ? [] : cellsOf(before).map((cell) => [keyOf(cell), cell.status])
  );
  const changes = new Map<string, { cell: Cell; places: string[] }>();
  for (const cell of cellsOf(after)) {
    if (known.get(keyOf(cell)) === cell.status) continue;
    const key = `${cell.server} ${cell.service} ${cell.status}`;
    const change = changes.get(key) ?? { cell, places: [] };
    change.places.push(cell.subVS);
    changes.set(key, change);
  }
  return [...changes.values()].map(({ cell, places }) => {
    const reason = cell.reason === null ? '' : `: ${cell.reason}`;
    return `${cell.server} ${cell.status} for ${cell.service} ${places.join(', ')}${reason}`;
  });
}

function cellsOf(status: LabStatus): Cell[] {
  return status.virtualServices.flatMap((service) =>
    service.subVSs.flatMap((subVS) =>
      subVS.realServers.map((server) => ({
        service: service.name,
        // `Exchange 2016 HTTPS Offloaded - OWA` is OWA to whoever looks at the lab.
        subVS: subVS.name.split(' - ').at(-1) ?? subVS.name,
        server: server.name,
        status: server.status,
        reason: server.reason,
        active: server.activeConnections,
        requests: server.requests
      }))
    )
  );
}

function cellText({ status, active, requests }: Cell): string {
  return `${status} ${active}/${requests}`;
}

function columnOf({ service, server }: Cell): string {
  return `${service} ${server}`;
}

function keyOf({ service, subVS, server }: Cell): string {
  return `${service}/${subVS}/${server}`;
}
