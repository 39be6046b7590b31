// What the lab shows of Ballast's /status: a table for a terminal, and lines for each change where
// there is none. Pure.

/** The part of /status that the lab reads. */
export interface LabStatus {
  readonly clients: number;
  readonly requests: number;
  readonly sessions: number;
  readonly virtualServices: readonly {
    readonly name: string;
    /** Of mail: HTTPS has its servers in SubVSs. */
    readonly realServers: readonly ServerStatus[];
    readonly subVSs: readonly {
      readonly name: string;
      readonly realServers: readonly ServerStatus[];
    }[];
  }[];
}

interface ServerStatus {
  readonly name: string;
  readonly status: string;
  readonly reason: string | null;
  readonly activeConnections: number;
  /** Of HTTPS, and of mail. */
  readonly requests?: number;
  readonly sessions?: number;
}

/** One server behind one SubVS of HTTPS, or behind one way of TLS to a protocol of mail. */
interface Cell {
  readonly kind: 'https' | 'mail';
  readonly service: string;
  readonly subVS: string;
  readonly server: string;
  readonly status: string;
  readonly reason: string | null;
  readonly active: number;
  readonly served: number;
}

/** Rows are the SubVSs and the protocols; a column is one server behind one virtual service. */
export function statusTable(status: LabStatus): string[] {
  const cells = cellsOf(status);
  const lines = [
    ...table(
      cells.filter(({ kind }) => kind === 'https'),
      14,
      17
    ),
    '',
    ...table(
      cells.filter(({ kind }) => kind === 'mail'),
      6,
      13
    ),
    '',
    `${status.clients} client connections, ${status.requests} requests and ` +
      `${status.sessions} mail sessions so far`
  ];
  const reasons = cells
    .filter(({ reason }) => reason !== null)
    .map(({ server, reason }) => `${server}: ${reason}`);
  return [...lines.map((line) => line.trimEnd()), ...[...new Set(reasons)].slice(0, 4)];
}

function table(cells: readonly Cell[], nameWidth: number, width: number): string[] {
  const columns = [...new Set(cells.map(columnOf))];
  const rows = [...new Set(cells.map(({ subVS }) => subVS))];
  const lines = rows.map((row) => {
    const inRow = columns.map((column) => {
      const cell = cells.find((one) => one.subVS === row && columnOf(one) === column);
      return (cell === undefined ? '' : cellText(cell)).padEnd(width);
    });
    return `${row.padEnd(nameWidth)}${inRow.join(' ')}`;
  });
  return [
    `${' '.repeat(nameWidth)}${columns.map((each) => each.padEnd(width)).join(' ')}`,
    ...lines
  ];
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
  return status.virtualServices.flatMap(({ name, realServers, subVSs }) => {
    const [protocol = '', ...way] = name.split(' ');
    return [
      ...realServers.map((server) => cellOf('mail', way.join(' '), protocol, server)),
      ...subVSs.flatMap((subVS) => {
        // `Exchange 2016 HTTPS Offloaded - OWA` is OWA to whoever looks at the lab.
        const shortName = subVS.name.split(' - ').at(-1) ?? subVS.name;
        return subVS.realServers.map((server) => cellOf('https', name, shortName, server));
      })
    ];
  });
}

function cellOf(kind: Cell['kind'], service: string, subVS: string, server: ServerStatus): Cell {
  const { name, status, reason, activeConnections, requests, sessions } = server;
  const served = requests ?? sessions ?? 0;
  return { kind, service, subVS, server: name, status, reason, active: activeConnections, served };
}

function cellText({ status, active, served }: Cell): string {
  return `${status} ${active}/${served}`;
}

function columnOf({ service, server }: Cell): string {
  return `${service} ${server}`;
}

function keyOf({ service, subVS, server }: Cell): string {
  return `${service}/${subVS}/${server}`;
}
