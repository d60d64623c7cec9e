"""Templates of CloudFormation, SAM, CDK, Serverless and Terraform: the machines in them, with their substitutions."""
