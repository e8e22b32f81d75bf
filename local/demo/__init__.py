"""The demo: both flows on the sample input through users' doors, judged by what the stores hold afterwards."""
