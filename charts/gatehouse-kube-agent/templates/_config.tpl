{{- /*
gatehouse.yaml: made as a value and written by toYaml, so that nothing in a value can become structure; then
teleportConfig and gatehouseConfig are laid over it.
*/ -}}

{{- /* The roles as a JSON list, from a list or from words with commas. */ -}}
{{- define "gatehouse-kube-agent.roles" -}}
{{- $given := .Values.roles -}}
{{- if kindIs "string" $given }}{{- $given = splitList "," $given }}{{- end -}}
{{- $roles := list -}}
{{- range $given -}}
{{- $role := lower (trim .) -}}
{{- if $role -}}
{{- if not (has $role (list "app" "db" "kube" "node")) -}}
{{- fail (printf "roles: %q is not something this agent can be: use app, db, kube and node" $role) -}}
{{- end -}}
{{- $roles = append $roles $role -}}
{{- end -}}
{{- end -}}
{{- if not $roles -}}
{{- fail "roles is missing: name what the agent serves, such as app,db (app, db, kube, node)" -}}
{{- end -}}
{{- toJson (uniq $roles) -}}
{{- end -}}

{{- /* What is given must be used, and what is used must be given. */ -}}
{{- define "gatehouse-kube-agent.checkRoles" -}}
{{- $values := .Values -}}
{{- $roles := include "gatehouse-kube-agent.roles" . | fromJsonArray -}}
{{- $parts := dict "app" (list "apps" "appResources") "db" (list "databases" "databaseResources" "awsDatabases") -}}
{{- range $role, $keys := $parts -}}
{{- $set := list -}}
{{- range $keys }}{{- if index $values . }}{{- $set = append $set . }}{{- end }}{{- end -}}
{{- if and (has $role $roles) (not $set) (not $values.gatehouseConfig) (not $values.teleportConfig) -}}
{{- fail (printf "roles names %s, which needs at least one of %s" $role (join ", " $keys)) -}}
{{- end -}}
{{- if and $set (not (has $role $roles)) -}}
{{- fail (printf "%s is set, but roles does not name %s: add it to roles" (first $set) $role) -}}
{{- end -}}
{{- end -}}
{{- if and (has "kube" $roles) (not $values.kubeClusterName) -}}
{{- fail "roles names kube, which needs kubeClusterName: what people call this cluster" -}}
{{- end -}}
{{- end -}}

{{- /* Lays the second map over the first, in place: maps are merged, everything else is replaced, null removes. */ -}}
{{- define "gatehouse-kube-agent.layOver" -}}
{{- $base := index . 0 -}}
{{- range $key, $value := index . 1 -}}
{{- if kindIs "invalid" $value -}}
{{- $_ := unset $base $key -}}
{{- else if and (kindIs "map" $value) (kindIs "map" (get $base $key)) -}}
{{- include "gatehouse-kube-agent.layOver" (list (get $base $key) $value) -}}
{{- else -}}
{{- $_ := set $base $key $value -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "gatehouse-kube-agent.globalSection" -}}
{{- $values := .Values -}}
{{- $join := dict "method" "token" "token_name" "/etc/gatehouse-join/auth-token" -}}
{{- if eq (include "gatehouse-kube-agent.joinMethod" .) "kubernetes" -}}
{{- $join = dict "method" "kubernetes" "token_name" (include "gatehouse-kube-agent.tokenName" .) "rejoin" (not (empty $values.caPin)) -}}
{{- end -}}
{{- if not (kindIs "invalid" $values.joinParams.rejoin) }}{{- $_ := set $join "rejoin" $values.joinParams.rejoin }}{{- end -}}
{{- $format := dict "output" $values.log.format -}}
{{- if $values.log.extraFields }}{{- $_ := set $format "extra_fields" $values.log.extraFields }}{{- end -}}
{{- $log := dict "severity" $values.log.level "output" $values.log.output "format" $format -}}
{{- $section := dict "join_params" $join "proxy_server" (include "gatehouse-kube-agent.proxyAddr" .) "diag_addr" "0.0.0.0:3000" "log" $log -}}
{{- if $values.caPin }}{{- $_ := set $section "ca_pin" $values.caPin }}{{- end -}}
{{- /* Where others serve the same meanwhile, and nobody new waits for it. What is left of the grace is for what auth does not have yet. */ -}}
{{- $roles := include "gatehouse-kube-agent.roles" . | fromJsonArray -}}
{{- $hasOthers := and (gt (int $values.highAvailability.replicaCount) 1) (or (has "app" $roles) (has "db" $roles)) -}}
{{- $drain := sub (int $values.terminationGracePeriodSeconds) 30 -}}
{{- if and $hasOthers (gt $drain 0) }}{{- $_ := set $section "drain_timeout" (printf "%ds" $drain) }}{{- end -}}
{{- toYaml $section -}}
{{- end -}}

{{- /* Without a pin, who answers at the proxy's address could take the agent over. Call with the first section of the file. */ -}}
{{- define "gatehouse-kube-agent.checkRejoin" -}}
{{- if and (get (get . "join_params" | default dict) "rejoin") (not (get . "ca_pin")) -}}
{{- fail "joinParams.rejoin needs caPin, because any cluster that answers at proxyAddr could be joined otherwise: set caPin to the pins that `gatectl status` prints, or leave rejoin out" -}}
{{- end -}}
{{- end -}}

{{- /* The whole file. */ -}}
{{- define "gatehouse-kube-agent.config" -}}
{{- include "gatehouse-kube-agent.checkRoles" . -}}
{{- $values := .Values -}}
{{- $roles := include "gatehouse-kube-agent.roles" . | fromJsonArray -}}
{{- $off := dict "enabled" false -}}
{{- $config := dict "version" "v3" "auth_service" $off "proxy_service" $off "ssh_service" $off -}}
{{- $_ := set $config "gatehouse" (include "gatehouse-kube-agent.globalSection" . | fromYaml) -}}
{{- if has "node" $roles -}}
{{- $_ := set $config "ssh_service" (dict "enabled" true) -}}
{{- if $values.labels }}{{- $_ := set $config.ssh_service "labels" $values.labels }}{{- end -}}
{{- end -}}
{{- if has "kube" $roles -}}
{{- $kube := dict "enabled" true "kube_cluster_name" $values.kubeClusterName -}}
{{- if $values.labels }}{{- $_ := set $kube "labels" $values.labels }}{{- end -}}
{{- $_ := set $config "kubernetes_service" $kube -}}
{{- end -}}
{{- if has "app" $roles -}}
{{- $app := dict "enabled" true -}}
{{- if $values.apps }}{{- $_ := set $app "apps" $values.apps }}{{- end -}}
{{- if $values.appResources }}{{- $_ := set $app "resources" $values.appResources }}{{- end -}}
{{- $_ := set $config "app_service" $app -}}
{{- end -}}
{{- if has "db" $roles -}}
{{- $db := dict "enabled" true -}}
{{- if $values.databases }}{{- $_ := set $db "databases" $values.databases }}{{- end -}}
{{- if $values.databaseResources }}{{- $_ := set $db "resources" $values.databaseResources }}{{- end -}}
{{- if $values.awsDatabases }}{{- $_ := set $db "aws" $values.awsDatabases }}{{- end -}}
{{- $_ := set $config "db_service" $db -}}
{{- end -}}
{{- $config = deepCopy $config -}}
{{- range list $values.teleportConfig $values.gatehouseConfig -}}
{{- $over := deepCopy . -}}
{{- if hasKey $over "teleport" -}}
{{- if hasKey $over "gatehouse" }}{{- fail "a config overlay has the section teleport or the section gatehouse, not both" }}{{- end -}}
{{- $_ := set $over "gatehouse" $over.teleport -}}
{{- $_ := unset $over "teleport" -}}
{{- end -}}
{{- include "gatehouse-kube-agent.layOver" (list $config $over) -}}
{{- end -}}
{{- include "gatehouse-kube-agent.checkRejoin" $config.gatehouse -}}
{{- toYaml $config -}}
{{- end -}}
