{{- /*
The web identity of the pods for AWS, as the webhook of EKS gives it: the same names of volume, folder and variables, of
which that webhook leaves alone what is there.
*/ -}}

{{- define "gatehouse-kube-agent.accountAnnotations" -}}
{{- toJson (merge (dict) .Values.serviceAccount.annotations .Values.annotations.serviceAccount) -}}
{{- end -}}

{{- define "gatehouse-kube-agent.awsRole" -}}
{{- $role := get (include "gatehouse-kube-agent.accountAnnotations" . | fromJson) "eks.amazonaws.com/role-arn" -}}
{{- if not $role -}}
{{- fail "aws.projectToken needs a role: set eks.amazonaws.com/role-arn in serviceAccount.annotations" -}}
{{- end -}}
{{- $role -}}
{{- end -}}

{{- define "gatehouse-kube-agent.awsEnv" -}}
{{- $env := list -}}
{{- if .Values.aws.projectToken -}}
{{- $env = append $env (dict "name" "AWS_ROLE_ARN" "value" (include "gatehouse-kube-agent.awsRole" .)) -}}
{{- $env = append $env (dict "name" "AWS_WEB_IDENTITY_TOKEN_FILE" "value" "/var/run/secrets/eks.amazonaws.com/serviceaccount/token") -}}
{{- $env = append $env (dict "name" "AWS_STS_REGIONAL_ENDPOINTS" "value" "regional") -}}
{{- end -}}
{{- with .Values.aws.region -}}
{{- $env = append $env (dict "name" "AWS_REGION" "value" .) -}}
{{- $env = append $env (dict "name" "AWS_DEFAULT_REGION" "value" .) -}}
{{- end -}}
{{- if $env }}{{- toYaml $env }}{{- end -}}
{{- end -}}

{{- define "gatehouse-kube-agent.awsVolume" -}}
{{- $annotations := include "gatehouse-kube-agent.accountAnnotations" . | fromJson -}}
{{- $seconds := get $annotations "eks.amazonaws.com/token-expiration" | default "86400" | int -}}
{{- if lt $seconds 600 -}}
{{- fail "eks.amazonaws.com/token-expiration is the number of seconds that a token lives, at least 600" -}}
{{- end -}}
{{- $token := dict "path" "token" "expirationSeconds" $seconds "audience" (get $annotations "eks.amazonaws.com/audience" | default "sts.amazonaws.com") -}}
{{- $sources := list (dict "serviceAccountToken" $token) -}}
{{- toYaml (list (dict "name" "aws-iam-token" "projected" (dict "sources" $sources))) -}}
{{- end -}}
