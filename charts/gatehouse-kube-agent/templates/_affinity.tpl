{{- /* Where pods run: as given; else replicas keep apart, by wish or, with requireAntiAffinity, without exception. */ -}}
{{- define "gatehouse-kube-agent.affinity" -}}
{{- $isRequired := .Values.highAvailability.requireAntiAffinity -}}
{{- if .Values.affinity -}}
{{- if $isRequired }}{{- fail "affinity and highAvailability.requireAntiAffinity are both set: leave out one of the two" }}{{- end -}}
{{- toYaml .Values.affinity -}}
{{- else if or $isRequired (gt (int .Values.highAvailability.replicaCount) 1) -}}
{{- $labels := include "gatehouse-kube-agent.selectorLabels" . | fromYaml -}}
{{- $term := dict "labelSelector" (dict "matchLabels" $labels) "topologyKey" "kubernetes.io/hostname" -}}
{{- if $isRequired -}}
{{- toYaml (dict "podAntiAffinity" (dict "requiredDuringSchedulingIgnoredDuringExecution" (list $term))) -}}
{{- else -}}
{{- $wish := dict "weight" 50 "podAffinityTerm" $term -}}
{{- toYaml (dict "podAntiAffinity" (dict "preferredDuringSchedulingIgnoredDuringExecution" (list $wish))) -}}
{{- end -}}
{{- end -}}
{{- end -}}
