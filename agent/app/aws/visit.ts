// One connection of a person to an AWS application: let in once by the guard, for one role. What serves its requests takes
// from here who comes, and what ends when it is cut.
import { parseRoleArn, type RoleArn } from '#core/aws/arn.ts';
import { awsFault } from '#core/aws/fault.ts';
import { awsPartitionOf, type Partition } from '#core/aws/partitions.ts';
import { awsSessionName } from '#core/aws/session-name.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { Resource } from '#core/resource.ts';
import { appLabels, type AppSpec } from '#kinds/app/kind.ts';
import type { AwsCredentials } from '../../aws/credentials.ts';
import type { TargetConnection } from '../../target/connection.ts';
import type { OpenedTarget } from '../../target/guard.ts';
import type { SessionSeat } from '../http/sessions.ts';
import type { AwsAppsOptions } from './open.ts';
import type { RoleSource } from './roles.ts';

/** Label of an application that limits it to roles of one account. */
export const ACCOUNT_LABEL = 'aws_account_id';

/** Of the room for events: what is left is for those of what is under way. */
const MOST_FILLED = 0.5;

export interface VisitGround extends AwsAppsOptions {
  readonly roles: RoleSource;
}

export class Visit {
  readonly connection: TargetConnection;
  readonly partition: Partition;
  readonly role: RoleArn;
  /** As CloudTrail shows the person. */
  readonly sessionName: string;
  readonly opened: OpenedTarget;
  readonly #ground: VisitGround;
  readonly #brought: Resource<AppSpec>;
  readonly #seat: SessionSeat;
  readonly #over = new AbortController();

  /** Throws as the guard does, and ACCESS_DENIED for roles that are not of this application's account or partition. */
  constructor(ground: VisitGround, connection: TargetConnection, app: Resource<AppSpec>) {
    this.#ground = ground;
    this.connection = connection;
    this.#brought = app;
    const { identity, client } = connection;
    this.role = roleOf(identity.route_to_app?.aws_role_arn, app);
    this.partition = this.role.partition;
    this.sessionName = awsSessionName(identity.name);
    const { name } = app.metadata;
    this.opened = ground.guard.open(
      connection,
      { kind: 'aws', target: { name, labels: appLabels(app) }, roleArn: this.role.arn },
      { cut: () => this.end(), changed: () => this.#follow() },
      identity.route_to_app === undefined ? {} : { sessionId: identity.route_to_app.session_id },
    );
    this.#seat = ground.people.enter({
      sid: this.opened.id,
      user: identity.name,
      impersonator: identity.impersonator,
      client,
      app: name,
      uri: app.spec.uri,
      publicAddr: identity.route_to_app?.public_addr ?? app.spec.public_addr ?? '',
      awsRoleArn: this.role.arn,
    });
  }

  /** As its document says now. */
  get app(): Resource<AppSpec> {
    return this.#ground.appNow?.(this.#brought.metadata.name) ?? this.#brought;
  }

  /**
   * To be asked for each request. Throws ACCESS_DENIED when the application is not for this role any more, and UNAVAILABLE,
   * after which programs try again, while no event may be added to those that wait for auth (S35).
   */
  requireFit(): void {
    roleOf(this.role.arn, this.app);
    if ((this.#ground.auditFilled?.() ?? 0) > MOST_FILLED)
      throw awsFault(
        'UNAVAILABLE',
        'ServiceUnavailable',
        'the agent cannot put more on record until auth is reached again',
      );
  }

  /** Aborted when the person is cut off, or gone. */
  get signal(): AbortSignal {
    return this.#over.signal;
  }

  /** Milliseconds that the certificate is still valid. */
  get left(): number {
    return this.connection.validBefore - this.#ground.clock.now();
  }

  /** Credentials of the role that this agent signs with; never handed out. */
  credentials(): Promise<AwsCredentials> {
    return this.#ground.roles.forSigning(this);
  }

  /** Credentials that leave this agent: they end no later than the certificate. */
  ownCredentials(): Promise<AwsCredentials> {
    return this.#ground.roles.toGiveAway(this);
  }

  /** Puts a request on record. */
  record(fields: Readonly<Record<string, unknown>>): void {
    const { identity, client } = this.connection;
    const { metadata, spec } = this.app;
    this.#ground.emit({
      event: 'app.session.request',
      sid: this.opened.id,
      user: identity.name,
      ...(identity.impersonator === undefined ? {} : { impersonator: identity.impersonator }),
      'addr.remote': client,
      app_name: metadata.name,
      app_uri: spec.uri,
      app_public_addr: identity.route_to_app?.public_addr ?? spec.public_addr ?? '',
      aws_role_arn: this.role.arn,
      server_id: this.#ground.hostId,
      server_hostname: this.#ground.hostname,
      ...fields,
    });
  }

  /** What is under way goes by the settings as they are now, too. */
  #follow(): void {
    try {
      roleOf(this.role.arn, this.app);
    } catch {
      this.end();
    }
  }

  end(): void {
    if (this.#over.signal.aborted) return;
    this.#over.abort(new GatehouseError('ACCESS_DENIED', 'the session has ended'));
    this.connection.stream.destroy();
    this.opened.close();
    this.#seat.leave();
  }
}

function roleOf(arn: string | undefined, app: Resource<AppSpec>): RoleArn {
  const { name } = app.metadata;
  const role = arn === undefined ? undefined : parseRoleArn(arn);
  if (role === undefined)
    throw new GatehouseError(
      'ACCESS_DENIED',
      `no AWS role was chosen; log in with \`gate apps login --aws-role NAME ${name}\``,
    );
  const account = appLabels(app)[ACCOUNT_LABEL];
  if (account !== undefined && account !== role.accountId)
    throw new GatehouseError(
      'ACCESS_DENIED',
      `the role ${role.arn} is not of the account ${account}, which application ${name} is for`,
    );
  const partition = awsPartitionOf(app.spec.uri)?.id;
  if (role.partition.id !== partition)
    throw new GatehouseError(
      'ACCESS_DENIED',
      partition === undefined
        ? `application ${name} is none of AWS any more`
        : `the role ${role.arn} is in the partition ${role.partition.id}, and application ${name} in ${partition}`,
    );
  return role;
}
