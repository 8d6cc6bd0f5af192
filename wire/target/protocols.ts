// The names by which clients ask for targets on the web port, in TLS (ALPN). Apart from the header, because command line
// tools need these alone.

/** Any database: which one says the client's certificate; then the bytes are those of the database's own protocol. */
export const DB_PROTOCOL = 'gatehouse-db';
/** An application: which one says the client's certificate; then HTTP/1.1. */
export const APP_PROTOCOL = 'gatehouse-app';
/** Direct TLS of PostgreSQL clients (libpq 17, `sslnegotiation=direct`). */
export const POSTGRES_PROTOCOL = 'postgresql';
