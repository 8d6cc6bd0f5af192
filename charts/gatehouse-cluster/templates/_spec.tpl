{{- /* The spec of the GatehouseCluster: from the familiar values, and what `cluster` says laid over it. */ -}}

{{- define "gatehouse-cluster.tls" -}}
{{- $certManager := .Values.highAvailability.certManager -}}
{{- if and $certManager.enabled .Values.tls.existingSecretName -}}
{{- fail "tls.existingSecretName and highAvailability.certManager.enabled are both set: leave out one of the two" -}}
{{- end -}}
{{- if .Values.tls.existingSecretName -}}
{{- toYaml (dict "secretName" .Values.tls.existingSecretName) -}}
{{- else if $certManager.enabled -}}
{{- if not $certManager.issuerName -}}
{{- fail "highAvailability.certManager.issuerName is missing: name the Issuer or ClusterIssuer that signs the certificate" -}}
{{- end -}}
{{- toYaml (dict "certManager" (dict "issuerRef" (dict "name" $certManager.issuerName "kind" $certManager.issuerKind "group" $certManager.issuerGroup))) -}}
{{- end -}}
{{- end -}}

{{- define "gatehouse-cluster.spec" -}}
{{- $values := .Values -}}
{{- $name := $values.clusterName | default $values.cluster.clusterName -}}
{{- if not $name -}}
{{- fail "clusterName is missing: it is in every certificate and cannot be changed later; most people take the host name of the proxy, such as gate.example.com" -}}
{{- end -}}
{{- $service := dict "type" $values.service.type "port" $values.service.port -}}
{{- if $values.service.nodePort }}{{- $_ := set $service "nodePort" $values.service.nodePort }}{{- end -}}
{{- if $values.service.annotations }}{{- $_ := set $service "annotations" $values.service.annotations }}{{- end -}}
{{- $proxy := dict "replicas" $values.highAvailability.replicaCount "service" $service -}}
{{- with include "gatehouse-cluster.tls" . }}{{- $_ := set $proxy "tls" (fromYaml .) }}{{- end -}}
{{- $spec := dict "clusterName" $name "proxy" $proxy -}}
{{- $_ := set $spec "publicAddress" ($values.publicAddr | default (printf "%s:443" $name)) -}}
{{- $_ := set $spec "storageRef" (dict "name" ($values.storageRef | default .Release.Name)) -}}
{{- if $values.version }}{{- $_ := set $spec "version" $values.version }}{{- end -}}
{{- if $values.image }}{{- $_ := set $spec "image" $values.image }}{{- end -}}
{{- if $values.authentication }}{{- $_ := set $spec "authentication" $values.authentication }}{{- end -}}
{{- $spec = deepCopy $spec -}}
{{- include "gatehouse-cluster.layOver" (list $spec (deepCopy $values.cluster)) -}}
{{- toYaml $spec -}}
{{- end -}}
