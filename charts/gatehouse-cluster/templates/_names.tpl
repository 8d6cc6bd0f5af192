{{- /* Names and labels of all objects. The GatehouseCluster and the GatehouseStorage are called as the release. */ -}}

{{- define "gatehouse-cluster.labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name (.Chart.Version | replace "+" "_") | quote }}
{{- end -}}

{{- /* Annotations of every object; paused ones are left as they are by the operator. */ -}}
{{- define "gatehouse-cluster.annotations" -}}
{{- if .Values.paused -}}
annotations:
  gatehouse.dev/paused: 'true'
{{- end -}}
{{- end -}}

{{- /* A name of Kubernetes for any name: itself where it is one, else what is left of it and a hash that tells it apart. */ -}}
{{- define "gatehouse-cluster.objectName" -}}
{{- if and (regexMatch "^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$" .) (le (len .) 253) -}}
{{- . -}}
{{- else -}}
{{- $rest := regexReplaceAll "[^a-z0-9]+" (lower .) "-" | trunc 50 | trimAll "-" -}}
{{- printf "%s-%s" ($rest | default "resource") (sha256sum . | trunc 8) -}}
{{- end -}}
{{- end -}}

{{- /* Lays the second map over the first, in place: maps are merged, everything else is replaced, null removes. */ -}}
{{- define "gatehouse-cluster.layOver" -}}
{{- $base := index . 0 -}}
{{- range $key, $value := index . 1 -}}
{{- if kindIs "invalid" $value -}}
{{- $_ := unset $base $key -}}
{{- else if and (kindIs "map" $value) (kindIs "map" (get $base $key)) -}}
{{- include "gatehouse-cluster.layOver" (list (get $base $key) $value) -}}
{{- else -}}
{{- $_ := set $base $key $value -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /*
Some characters make helm's toYaml return nothing, and so lose a whole block in silence, or do not come back as they were:
they are refused. toJson writes two of them as escapes.
*/ -}}
{{- define "gatehouse-cluster.checkCharacters" -}}
{{- if regexMatch `[\x{7f}-\x{9f}\x{fffe}\x{ffff}]|(^|[^\\])(\\\\)*\\u202[89]` (toJson .Values) -}}
{{- fail "a value has a character that YAML does not carry (one of U+007F to U+009F, U+2028, U+2029, U+FFFE, U+FFFF): remove it" -}}
{{- end -}}
{{- end -}}
