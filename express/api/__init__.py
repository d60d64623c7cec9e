"""The Step Functions API: AWS JSON 1.0 over HTTP, so that boto3, the AWS CLI and any SDK drive `express`."""
