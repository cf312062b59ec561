def test_a(moto, moto_open, rclone_s3, azurite, bucket_name):
    azurite.client().create_container(bucket_name)
    for s in (moto, moto_open, rclone_s3):
        s.client().create_bucket(Bucket=bucket_name)
