{{- /*
How the agent becomes a member: by its ServiceAccount (the default; no secret is handed over) or by a token, which is then
kept in a Secret and never in the configuration.
*/ -}}

{{- define "gatehouse-kube-agent.joinMethod" -}}
{{- $values := .Values -}}
{{- $isToken := or $values.authToken $values.secretName -}}
{{- $method := $values.joinParams.method | default (ternary "token" "kubernetes" (not (empty $isToken))) -}}
{{- if and (eq $method "kubernetes") $values.authToken -}}
{{- fail "authToken and joinParams.method kubernetes do not go together: leave out authToken, or set joinParams.method to token" -}}
{{- end -}}
{{- if and (eq $method "kubernetes") $values.secretName -}}
{{- fail "secretName holds a token, which joinParams.method kubernetes does not need: leave out one of the two" -}}
{{- end -}}
{{- if and $values.authToken $values.joinParams.tokenName -}}
{{- fail "authToken and joinParams.tokenName are both set: leave out one of the two" -}}
{{- end -}}
{{- if and (eq $method "token") (not (include "gatehouse-kube-agent.givenToken" .)) (not $values.secretName) -}}
{{- fail "joinParams.method token needs a token: set authToken, or secretName to a Secret with the key auth-token" -}}
{{- end -}}
{{- $method -}}
{{- end -}}

{{- /* The token that is in the values, if any; of method token only. */ -}}
{{- define "gatehouse-kube-agent.givenToken" -}}
{{- if .Values.authToken -}}
{{- .Values.authToken -}}
{{- else if eq .Values.joinParams.method "token" -}}
{{- .Values.joinParams.tokenName -}}
{{- end -}}
{{- end -}}

{{- define "gatehouse-kube-agent.tokenSecretName" -}}
{{- .Values.secretName | default (printf "%s-join-token" .Release.Name) -}}
{{- end -}}

{{- /* The name of the token resource of method kubernetes; it is no secret. */ -}}
{{- define "gatehouse-kube-agent.tokenName" -}}
{{- .Values.joinParams.tokenName | default .Release.Name -}}
{{- end -}}

{{- /* The cluster's name, which is who the projected token is for; most clusters are called as their proxy. */ -}}
{{- define "gatehouse-kube-agent.clusterName" -}}
{{- $address := include "gatehouse-kube-agent.proxyAddr" . -}}
{{- .Values.clusterName | default .Values.teleportClusterName | default (regexReplaceAll ":[0-9]+$" $address "") -}}
{{- end -}}

{{- define "gatehouse-kube-agent.proxyAddr" -}}
{{- if not .Values.proxyAddr -}}
{{- fail "proxyAddr is missing: set it to the address of the proxy, such as gate.example.com:443" -}}
{{- end -}}
{{- .Values.proxyAddr -}}
{{- end -}}
