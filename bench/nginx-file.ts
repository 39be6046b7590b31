import type { Place } from './place.ts';

/** An nginx configuration with what its role as server and its role as proxy have in common. */
export function nginxFile(
  place: Place,
  name: string,
  http: string,
  { workers = 1, logFile }: { workers?: number; logFile?: string | undefined } = {}
): string {
  // Started as root, nginx would give its worker to another user, who may not enter the folder.
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${place.folder}/${name}-${kind};`
  );
  return `${user}
daemon off;
worker_processes ${workers};
worker_rlimit_nofile 20000;
pid ${place.folder}/${name}.pid;
error_log stderr warn;
events { worker_connections 16000; }
http {
  access_log ${logFile ?? 'off'};
  client_max_body_size 0;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  ${temporary.join('\n  ')}
  ${http}
}
`;
}
