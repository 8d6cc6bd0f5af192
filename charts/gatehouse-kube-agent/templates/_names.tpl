{{- /*
Names, labels and the image; used by every template of the chart. All objects are called as the release, so that the pods
are RELEASE-0, RELEASE-1, and an IAM role can name the ServiceAccount before there is one.
*/ -}}

{{- define "gatehouse-kube-agent.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default .Release.Name -}}
{{- end -}}

{{- define "gatehouse-kube-agent.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- /* Of every object. Call with (list $ "which of extraLabels"); own labels win, since selectors need them. */ -}}
{{- define "gatehouse-kube-agent.labels" -}}
{{- $ := index . 0 -}}
{{- $own := include "gatehouse-kube-agent.selectorLabels" $ | fromYaml -}}
{{- $_ := set $own "app.kubernetes.io/managed-by" $.Release.Service -}}
{{- $_ := set $own "app.kubernetes.io/component" "agent" -}}
{{- $_ := set $own "app.kubernetes.io/version" $.Chart.AppVersion -}}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" $.Chart.Name ($.Chart.Version | replace "+" "_")) -}}
{{- $labels := deepCopy (index $.Values.extraLabels (index . 1)) -}}
{{- range $name, $value := $own }}{{- $_ := set $labels $name $value }}{{- end -}}
{{- toYaml $labels -}}
{{- end -}}

{{- /* What a pod has of them: nothing that changes with each version of the chart. */ -}}
{{- define "gatehouse-kube-agent.podLabels" -}}
{{- $labels := deepCopy .Values.extraLabels.pod -}}
{{- range $name, $value := include "gatehouse-kube-agent.selectorLabels" . | fromYaml }}{{- $_ := set $labels $name $value }}{{- end -}}
{{- toYaml $labels -}}
{{- end -}}

{{- /* An image with a tag or a digest stands as it is. */ -}}
{{- define "gatehouse-kube-agent.image" -}}
{{- $version := .Values.gatehouseVersionOverride | default .Values.teleportVersionOverride | default .Chart.AppVersion -}}
{{- if or (contains "@" .Values.image) (contains ":" (last (splitList "/" .Values.image))) -}}
{{- .Values.image -}}
{{- else -}}
{{- printf "%s:%s" .Values.image $version -}}
{{- end -}}
{{- end -}}

{{- /*
Some characters make helm's toYaml return nothing, and so lose a whole block in silence, or do not come back as they were:
they are refused. toJson writes two of them as escapes.
*/ -}}
{{- define "gatehouse-kube-agent.checkCharacters" -}}
{{- if regexMatch `[\x{7f}-\x{9f}\x{fffe}\x{ffff}]|(^|[^\\])(\\\\)*\\u202[89]` (toJson .Values) -}}
{{- fail "a value has a character that YAML does not carry (one of U+007F to U+009F, U+2028, U+2029, U+FFFE, U+FFFF): remove it" -}}
{{- end -}}
{{- end -}}
