{{- /* Names, labels and the image; used by every template of the chart. All objects are called as the release. */ -}}

{{- define "gatehouse-operator.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default .Release.Name -}}
{{- end -}}

{{- define "gatehouse-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- /* Of every object; own labels win, since selectors need them. */ -}}
{{- define "gatehouse-operator.labels" -}}
{{- $own := include "gatehouse-operator.selectorLabels" . | fromYaml -}}
{{- $_ := set $own "app.kubernetes.io/managed-by" .Release.Service -}}
{{- $_ := set $own "app.kubernetes.io/component" "operator" -}}
{{- $_ := set $own "app.kubernetes.io/version" .Chart.AppVersion -}}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" .Chart.Name (.Chart.Version | replace "+" "_")) -}}
{{- $labels := deepCopy .Values.extraLabels -}}
{{- range $name, $value := $own }}{{- $_ := set $labels $name $value }}{{- end -}}
{{- toYaml $labels -}}
{{- end -}}

{{- define "gatehouse-operator.podLabels" -}}
{{- $labels := deepCopy .Values.podLabels -}}
{{- range $name, $value := include "gatehouse-operator.selectorLabels" . | fromYaml }}{{- $_ := set $labels $name $value }}{{- end -}}
{{- toYaml $labels -}}
{{- end -}}

{{- /* An image with a tag or a digest stands as it is. */ -}}
{{- define "gatehouse-operator.image" -}}
{{- if or (contains "@" .Values.image) (contains ":" (last (splitList "/" .Values.image))) -}}
{{- .Values.image -}}
{{- else -}}
{{- printf "%s:%s" .Values.image (.Values.gatehouseVersionOverride | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{- /*
Some characters make helm's toYaml return nothing, and so lose a whole block in silence, or do not come back as they were:
they are refused. toJson writes two of them as escapes.
*/ -}}
{{- define "gatehouse-operator.checkCharacters" -}}
{{- if regexMatch `[\x{7f}-\x{9f}\x{fffe}\x{ffff}]|(^|[^\\])(\\\\)*\\u202[89]` (toJson .Values) -}}
{{- fail "a value has a character that YAML does not carry (one of U+007F to U+009F, U+2028, U+2029, U+FFFE, U+FFFF): remove it" -}}
{{- end -}}
{{- end -}}
